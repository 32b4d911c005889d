-- Takes one request from a key's limit, or says why not. Atomic: Redis runs nothing else meanwhile.
--
-- KEYS[1] ratelimit:<key id>        hash: the sliding window, see below
-- KEYS[2] ratelimit:stats:<key id>  hash of counters since the key's first request: allowed, blocked (refused), burst
--                                    (of the allowed, those by the burst), shadow (of the allowed, those that
--                                    enforcement would have refused)
-- KEYS[3] ratelimit:tier:<key id>   string: the tier's name
-- ARGV    limit, burst, window ms, burst window ms, mode (enforce | monitor), tier, now ms (empty: this server's clock)
-- Returns {passed (0 or 1), by the burst (0 or 1), used, burst used, ms until a slot is free, ms until all are}
--
-- The window is kept as counts in 100 slices, so that its size does not depend on the limit: field <slice number>.
-- A slice leaves when it lies wholly outside the window: no window ever holds more than limit + burst requests, and a
-- request waits at most one slice (1 % of the window) longer than with exact times. Other fields: `used` (ordinary
-- requests in the window), `first` (oldest slice), `b<slice>` and `burst_used` (the same for the burst), `burst_ends`
-- (ms: end of the burst window, which opens with the first request of a burst), `tier`.

local limit, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local window, burst_window = tonumber(ARGV[3]), tonumber(ARGV[4])
local enforce, tier = ARGV[5] == 'enforce', ARGV[6]
local now = tonumber(ARGV[7])
if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local SLICES = 100
local width = window / SLICES
local slice = math.floor(now / width)

local state = redis.call('HMGET', KEYS[1], 'used', 'first', 'burst_used', 'burst_ends', 'tier')
local used, first = tonumber(state[1]) or 0, tonumber(state[2]) or slice
local burst_used, burst_ends = tonumber(state[3]) or 0, tonumber(state[4]) or 0
slice = math.max(slice, first)  -- a clock that steps back never reopens the past

if first < slice - 2 * SLICES then
    redis.call('DEL', KEYS[1])
    used, burst_used, burst_ends, first = 0, 0, 0, slice
end
while first < slice - SLICES do
    local gone = redis.call('HMGET', KEYS[1], first, 'b' .. first)
    if gone[1] or gone[2] then
        used, burst_used = used - (tonumber(gone[1]) or 0), burst_used - (tonumber(gone[2]) or 0)
        redis.call('HDEL', KEYS[1], first, 'b' .. first)
    end
    first = first + 1
end

local passed, by_burst = used < limit, false
if not passed and burst_used < burst then
    if burst_used == 0 then burst_ends = now + burst_window end
    by_burst = now < burst_ends
    passed = by_burst
end
if passed then
    if by_burst then burst_used = burst_used + 1 else used = used + 1 end
    redis.call('HINCRBY', KEYS[1], by_burst and 'b' .. slice or slice, 1)
end
redis.call('HSET', KEYS[1], 'used', used, 'first', first, 'burst_used', burst_used, 'burst_ends', burst_ends,
    'tier', tier)
redis.call('PEXPIRE', KEYS[1], math.ceil(window + 2 * width))

local counted = passed and 'allowed' or (enforce and 'blocked' or 'shadow')
redis.call('HINCRBY', KEYS[2], counted, 1)
if by_burst then redis.call('HINCRBY', KEYS[2], 'burst', 1) end
if not passed and not enforce then redis.call('HINCRBY', KEYS[2], 'allowed', 1) end
if state[5] ~= tier then redis.call('SET', KEYS[3], tier) end

-- The oldest slice with a request of the kind that was refused is the first to give a slot back.
local frees = first
if not passed then
    while frees < slice and redis.call('HEXISTS', KEYS[1], frees) == 0 do frees = frees + 1 end
end
local wait = passed and 0 or math.ceil((frees + SLICES + 1) * width - now)
return {passed and 1 or 0, by_burst and 1 or 0, used, burst_used, wait, math.ceil((slice + SLICES + 1) * width - now)}
