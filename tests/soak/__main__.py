from tests.soak.run import main

main()
