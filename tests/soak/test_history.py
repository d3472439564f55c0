"""The judge of soak runs judges rightly."""

from tests.soak.history import Cart, Register


def test_what_nobody_wrote():
    assert "nobody wrote" in Register().fault(b"1", 5.0)


def test_what_was_written_or_not_yet():
    register = Register()
    write = register.begin(b"1", 1.0)
    assert register.fault(b"1", 0.5) is None and register.fault(None, 2.0) is None
    register.end(write, 2.0)
    assert register.fault(b"1", 3.0) is None
    assert "overwritten" in register.fault(None, 3.0)
    assert register.fault(None, 1.5) is None                 # the read began before it was answered


def test_what_was_overwritten():
    register = Register()
    register.end(register.begin(b"1", 1.0), 2.0)
    second = register.begin(b"2", 3.0)
    assert register.fault(b"1", 3.5) is None
    register.end(second, 4.0)
    assert "overwritten" in register.fault(b"1", 5.0)
    assert register.fault(b"2", 5.0) is None


def test_writes_at_the_same_time_have_no_order():
    register = Register()
    first, second = register.begin(b"1", 1.0), register.begin(b"2", 1.5)
    register.end(second, 2.0)
    register.end(first, 3.0)
    assert register.fault(b"1", 4.0) is None and register.fault(b"2", 4.0) is None


def test_what_was_deleted_and_comes_back():
    register = Register()
    register.end(register.begin(b"1", 1.0), 2.0)
    register.end(register.begin(None, 3.0), 4.0)
    assert register.fault(None, 5.0) is None
    assert "overwritten" in register.fault(b"1", 5.0)


def test_what_nobody_answered_may_show_at_any_time():
    register = Register()
    register.begin(b"lost", 1.0)
    register.end(register.begin(b"2", 2.0), 3.0)
    assert register.fault(b"lost", 9.0) is None
    register.begin(None, 4.0)
    assert register.fault(None, 9.0) is None


def test_old_deletes_are_forgotten_and_judged_alike():
    register = Register()
    for second in range(200):
        register.end(register.begin(None, second + 0.1), second + 0.2)
    register.end(register.begin(b"1", 300.0), 301.0)
    register.forget_old_deletes()
    assert len(register.deletes) == 0
    assert "overwritten" in register.fault(None, 302.0)


def test_carts():
    cart = Cart(sent={b"a", b"b", b"c"}, acknowledged={b"a", b"b"})
    assert cart.fault({b"a", b"b", b"c"}, cart.acknowledged) is None
    assert "gone" in cart.fault({b"a"}, cart.acknowledged)
    assert "nobody added" in cart.fault({b"a", b"b", b"z"})
