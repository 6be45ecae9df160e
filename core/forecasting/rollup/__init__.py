"""What the pipeline will bring: by seller, team, segment, region and month, with intervals that know that deals rise
and fall together; a manager's own number beside it; how good both were; and what changed between two moments.

The pipeline of any moment is read back from deals, their changes and their forecasts. Stored are only the figures that
were told (`snapshot`), so that they can be held against what came.
"""
