"""Rollouts under way: weeks, checklists, baselines and signatures on a pinned playbook."""
