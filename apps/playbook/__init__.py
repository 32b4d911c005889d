"""What is written: the plan, its weeks, the runbooks, the decision trees, the quick reference.

Content is data: `default/` is what a team copies, edits and versions (OPSPORTAL_PLAYBOOK). Nothing here touches a tier
or a database.
`plan` holds the values, `parse` and `read` make them from files with file and line, `validate` says every mistake,
`pin` freezes them into a bundle with digests, which is all that a running rollout reads.
"""
