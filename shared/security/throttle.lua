-- Takes one from each of several allowances, or from none. KEYS: the allowances. ARGV: for each, the milliseconds in which
-- one comes back, and how many there are. Answers for how many milliseconds to wait, 0 when it took; the number is negative
-- when nothing is left of the last allowance.
-- An allowance is kept as the moment at which it will be whole again, and forgotten then (the generic cell rate algorithm).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local whole, wait, last = {}, 0, 0
for i, key in ipairs(KEYS) do
    local every, size = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    whole[i] = math.max(tonumber(redis.call('GET', key) or now), now) + every
    last = whole[i] - every * size - now
    wait = math.max(wait, last)
end
if wait > 0 then
    return last > 0 and -math.ceil(wait) or math.ceil(wait)
end
for i, key in ipairs(KEYS) do
    redis.call('SET', key, string.format('%.0f', whole[i]), 'PX', math.ceil(whole[i] - now))
end
return 0
