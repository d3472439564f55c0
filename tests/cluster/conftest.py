from tests.resp_kv.rig import rig

__all__ = ["rig"]
