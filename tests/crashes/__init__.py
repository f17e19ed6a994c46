"""A world in which drivers of one study run, meet and die: the real driver, plan, ledger, searches, lease, watchdog and
stores; a time, a disk, an object store, a network and workers of its own.

Each driver is a few threads that stand still before every write, flush, rename, deletion and request until they are
told to go on. So it can be killed before it, or half-way through it, and anything may happen in between.
"""
