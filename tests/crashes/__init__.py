"""A world in which drivers of one study run, meet and die: the real driver, plan, ledger, searches and lease; a time, a
disk and workers of its own.

Each driver is a thread that stands still before every write, flush, rename and deletion until it is told to go on. So
it can be killed before it, or half-way through it, and anything may happen in between.
"""
