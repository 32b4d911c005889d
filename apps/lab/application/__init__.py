"""The messaging application that the lab's tier serves: its HTTP face, as the portal and the load generator see it.

A plain WSGI callable, no Django: it stands for a program that is not ours. It uses the three libraries (router,
cache-aside, limiter) as any application would, follows the rollout's switches while it runs, and measures what it says
of itself.
"""
