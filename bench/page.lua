-- Sends a session's cookie and, for a poll of the page, htmx's header; prints one line of JSON.
local cookie, htmx = os.getenv("BENCH_COOKIE"), os.getenv("BENCH_HTMX")
wrk.headers["Cookie"] = cookie
if htmx == "1" then wrk.headers["HX-Request"] = "true" end
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "bytes": %d, "p50": %d, "p95": %d, "errors": %d}\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(95),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
