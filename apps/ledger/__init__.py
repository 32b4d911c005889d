"""The record nobody can rewrite: every decision of a person and every action of the portal, hash-chained.

Other rooms write with `chain.append` inside their own transaction and declare their kinds with `kinds.declare`. This room
knows no person, tier or rollout: an actor, a tier and a subject are words to it.
"""
