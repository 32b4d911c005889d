-- Stores what a loader brought, if nobody invalidated the entry meanwhile, and gives the right to load back.
-- KEYS[1] cache:<namespace>:<key>   KEYS[2] load:<namespace>:<key>, the right to load
-- ARGV    the loader's token, the value, ms to live
-- Returns 1 when stored, 0 when the right was lost: to an invalidation, or by taking too long.

if redis.call('GET', KEYS[2]) ~= ARGV[1] then
    return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1
