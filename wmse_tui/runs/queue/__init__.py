"""Runs that wait for a free slot, without a daemon that manages them.

Every waiting run is a process of its own in a session of its own, and holds two locks: that of its ticket
in the queue's folder, and `queue.lock` in the run's directory. It is a small program (`standby.py`) until
something changes, then the one that judges (`waiter.py`), and when it is the first in the queue and gets the
lock of a slot, the trainer (exec: same process, same slot). The ticket of a killed waiter is free at once and
delays no other run. After a reboot nothing starts: free tickets are reported as lost positions, and their
runs can be queued again.
"""
