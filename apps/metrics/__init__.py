"""How anything of the tier is measured and judged.

Watches: every node of every tier, by probes that the rooms above declare. Changes nothing on them.
`kernel` holds the values (Sample, Check, Verdict), `collect` asks the nodes, `store` keeps what they said,
`alerts` opens and closes, `board` shows it.
"""
