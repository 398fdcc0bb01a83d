"""What five source documents say about networks and their costs, held against our own numbers.

Question: which of their statements hold? Each claim is an object with a function that finds our
numbers by creating networks, lowering them and counting or projecting; nothing is typed in.
Command: ./launch.sh study claims                     (a minute on 2 CPU cores, nothing is trained)
         ./launch.sh study claims --only=C08,C23      with the tables behind these claims
Result: results/claims.csv, docs/claims.md.
How to read it: `confirmed` if each reported number is ours, rounded or cut to the digits given;
`refuted` if one is not; `inconsistent` if the document's own numbers do not fit together.

A group of claims is a module with a tuple CLAIMS; `registry` lists the modules.
"""
