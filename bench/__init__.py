"""Measures the service beside the servers it cannot be faster than: `make bench`, or `python -m bench --only P1,P3`.

Every figure is a ratio of two things done in one run on one machine, taken in turns (A-B-B-A), so that it says the same
on another machine; memory and the start are the exceptions. `figures` holds for each the bar, which it must meet, and
the aim, which is wished for. A bomb is a request within all limits made to cost the most CPU; a turn is one iteration
of an event loop.
"""
