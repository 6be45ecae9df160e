"""A backtest of win and loss on any table of deals, by date: one recipe for all, and nothing chosen on what measures.

columns    which column of a file is what                 follow     odds that follow outcomes as they become known
encode     columns → features, each row from its past     intervals  what a promise of 90 % held
open_rows  what rows without an outcome teach
leaks      columns that know the outcome                  run        the steps, from file to report
choose     algorithm and recency, by rolling origins      show       the report in words
"""
