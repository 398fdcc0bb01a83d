"""What five source documents say about networks, held against our own numbers: 33 claims.

Question: which of their statements hold? Each claim is an object with a function that finds our
numbers: by lowering networks and counting or projecting, by computing, by measuring, or by training
trials, studies of experiments/ at the claims' size. Nothing is typed in.
Command: ./launch.sh study claims                 (half an hour on 2 CPU cores, resumable)
         ./launch.sh study claims --only=C08,C23  with the tables behind these claims
         ./launch.sh study claims --no-train      reads only
Result: results/claims.csv, docs/claims.md, charts in runs/claims/report.
How to read it: docs/claims.md says what confirms and what refutes.

A group of claims is a module with a tuple CLAIMS (the same on every machine) or BEHAVIOURS (of runs
and measurements); `registry` lists the modules.
"""
