"""The processes that train one run together: launching, collectives, sharding, presence."""
