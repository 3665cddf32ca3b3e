"""Runs that wait for a free slot, without anybody who manages them.

Every waiting run is a process of its own in a session of its own, and holds two locks: that of its ticket
in the queue's folder, and `queue.lock` in the run's directory. When it is the first in its line and gets
the lock of a slot, it becomes the trainer (exec: same process, same slot). A killed waiter's ticket is free
at once and stands in nobody's way. After a reboot nothing starts: free tickets are told as lost, and
offered again.
"""
