"""How healthy a pipeline is: what stalls, how fast deals move, which stage holds them up, what slips, what covers the
target.

Each deal leaves marks (`marks.py`): whole numbers under a key. The sum of all deals' marks is the state; a change of a
deal takes its old marks away and adds its new ones, so it costs what the deal costs, and adding up all deals anew gives
the same numbers. What depends on today (`measure.py`) is worked out of the sums when somebody asks.
"""
