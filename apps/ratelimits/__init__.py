"""The rate limits room: who may ask how much, who is refused, and whether the limiter itself is well.

Watches, with a read-only login of Redis, what the limiter counts of each key, and what the application says of its own
limiter: traffic and refusals by tier, use of the burst, keys near their limit, refusals that were only counted (monitor
mode), decisions taken without Redis. It changes nothing yet: a reset, another tier or a temporary raise of one key come
with the runbooks' actions. `probes` says what is asked, `checks` what must hold, `charts` and `views` how it is shown;
`limiter` is the library for applications.
"""
