import { fields } from "./_registry-redis-record.ts";
import { forgetAfter } from "./_registry-store.ts";

/*
 * A service is a hash that Redis forgets by itself. `names` is a sorted set of all names by the time at which that will be,
 * `state` a hash: the epoch, the version that counts visible changes, when a registry was last seen here, and from when to
 * when the last outage lasted, in which nobody could record heartbeats. All times are Redis's own.
 *
 * KEYS of each: state, names, then what it is about. ARGV of each: the epoch that the caller knows, the channel, then its own.
 */

const clock = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function int(n) return string.format('%.0f', n) end
`;

// An epoch that is gone: this Redis was emptied, and knows nothing that it could be believed to have forgotten.
const begin = `${clock}
local state = redis.call('HMGET', KEYS[1], 'epoch', 'from', 'to')
if state[1] ~= ARGV[1] then return {'epoch'} end
local from, to = tonumber(state[2] or 0), tonumber(state[3] or 0)

-- What was alive when an outage began has a lease from its end: its heartbeats had nowhere to go.
local function last(beat, lease)
  beat = math.min(tonumber(beat), now)
  if beat < to and beat + lease > from then return to end
  return beat
end

local function keep(key, name, beat, lease)
  local ends = math.ceil(beat + lease * ${forgetAfter})
  redis.call('HSET', key, 'beat', int(beat))
  redis.call('PEXPIREAT', key, int(ends))
  redis.call('ZADD', KEYS[2], int(ends), name)
end

local function tell(what, names)
  local version = redis.call('HINCRBY', KEYS[1], 'version', 1)
  redis.call('PUBLISH', ARGV[2], cjson.encode({version, what, unpack(names)}))
  return version
end

-- Milliseconds since the last heartbeat and its time, the version, and the rest unless the caller has this version.
local function show(key, beat, known)
  local version = redis.call('HGET', key, 'version')
  local age = math.max(0, now - beat)
  if version == known then return {age, beat, version} end
  return {age, beat, version, redis.call('HGETALL', key)}
end
`;

const claimed = `${begin}
local key, name, lease, peer = KEYS[3], ARGV[3], ARGV[4], ARGV[5]
local held = redis.call('HMGET', key, 'beat', 'lease', 'owner', 'chosen', 'peer', 'host', 'port')
local beat, term = nil, tonumber(held[2] or 0)
if held[1] then beat = last(held[1], term) end
local lapsed = beat ~= nil and beat + term <= now

-- The rules of _registry-store.ts.
local function may(host, port)
  if lapsed or lease == held[3] then return true end
  if peer ~= held[5] then return false end
  return held[4] ~= '1' or (host == held[6] and port == held[7])
end
`;

/** ARGV: name, claim, limit or -1, the values of the fields. */
const register = `${claimed}
if beat then
  if not may(ARGV[7], ARGV[8]) then return {'taken'} end
else
  local limit = tonumber(ARGV[6])
  if limit >= 0 and redis.call('ZCARD', KEYS[2]) >= limit then
    redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', int(now))
    if redis.call('ZCARD', KEYS[2]) >= limit then return {'full'} end
  end
end
local hash = {${fields.map((field, index) => `'${field}', ARGV[${7 + index}]`).join(", ")}}
redis.call('HSET', key, unpack(hash))
keep(key, name, now, tonumber(ARGV[${7 + fields.indexOf("lease")}]))
redis.call('HSET', key, 'version', tell('set', {name}))
return {'ok', show(key, now, '')}
`;

/** ARGV: name, claim, the version known, whether anyone may, whether it is a heartbeat, fields and values in turn. */
const change = `${claimed}
if not beat then return {'missing'} end
if ARGV[7] ~= '1' and not may() then return {'taken'} end
local news = false
for at = 9, #ARGV, 2 do
  if redis.call('HGET', key, ARGV[at]) ~= ARGV[at + 1] then
    redis.call('HSET', key, ARGV[at], ARGV[at + 1])
    news = true
  end
end
if ARGV[8] == '1' then
  news = news or lapsed
  beat = now
end
keep(key, name, beat, term)
if news then redis.call('HSET', key, 'version', tell('set', {name})) end
return {'ok', show(key, beat, ARGV[6])}
`;

// A process that has not heard of it yet must not restore what was deregistered; hence a mark that lasts for a minute.
/** KEYS: service, its mark. ARGV: name, claim. */
const remove = `${claimed}
if not beat then return {'missing'} end
if not may() then return {'taken'} end
local shown = show(key, beat, '')
redis.call('DEL', key)
redis.call('ZREM', KEYS[2], name)
redis.call('SET', KEYS[4], '1', 'PX', 60000)
tell('gone', {name})
return {'ok', shown}
`;

/** KEYS: services. ARGV: of each its name and the version known. Those that are gone are 0. */
const read = `${begin}
local shown = {}
for at = 3, #KEYS do
  local name, known = ARGV[2 * at - 3], ARGV[2 * at - 2]
  local held = redis.call('HMGET', KEYS[at], 'beat', 'lease')
  if held[1] then
    local beat = last(held[1], tonumber(held[2]))
    if int(beat) ~= held[1] then keep(KEYS[at], name, beat, tonumber(held[2])) end
    shown[#shown + 1] = show(KEYS[at], beat, known)
  else
    redis.call('ZREM', KEYS[2], name)
    shown[#shown + 1] = 0
  end
end
return {'ok', shown}
`;

/** KEYS: of each the service and its mark. ARGV: of each its name, milliseconds since its heartbeat, the values. */
const restore = `${begin}
local fields = {${fields.map((field) => `'${field}'`).join(", ")}}
local names, keys = {}, {}
for at = 3, #KEYS, 2 do
  local argument = (at - 3) / 2 * (#fields + 2) + 3
  if redis.call('EXISTS', KEYS[at], KEYS[at + 1]) == 0 then
    local hash, lease = {}, 0
    for index, field in ipairs(fields) do
      local value = ARGV[argument + 1 + index]
      hash[2 * index - 1], hash[2 * index] = field, value
      if field == 'lease' then lease = tonumber(value) end
    end
    redis.call('HSET', KEYS[at], unpack(hash))
    names[#names + 1], keys[#keys + 1] = ARGV[argument], KEYS[at]
    redis.call('HSET', KEYS[at], 'version', '0')
    keep(KEYS[at], ARGV[argument], now - tonumber(ARGV[argument + 1]), lease)
  end
end
if #names > 0 then
  local version = tell('set', names)
  for _, key in ipairs(keys) do
    if redis.call('EXISTS', key) == 1 then redis.call('HSET', key, 'version', version) end
  end
end
return {'ok', #names}
`;

/** Of its own ARGV: an epoch in case there is none, the milliseconds of silence that are an outage, "1" from a newcomer. */
const pulse = `${clock}
local state = redis.call('HMGET', KEYS[1], 'epoch', 'seen', 'version', 'to')
local epoch, seen, outage = state[1], tonumber(state[2] or now), state[4] or ''
if now - seen > tonumber(ARGV[2]) then
  outage = int(now)
  redis.call('HSET', KEYS[1], 'from', int(seen), 'to', outage)
  -- What Redis forgot while nobody could send heartbeats, a newcomer cannot put back.
  if ARGV[3] == '1' and redis.call('ZCOUNT', KEYS[2], int(seen), int(now)) > 0 then epoch = false end
end
if not epoch then
  epoch = ARGV[1]
  redis.call('HSET', KEYS[1], 'epoch', epoch)
end
redis.call('HSET', KEYS[1], 'seen', int(now))
return {epoch, tonumber(state[3] or 0), outage}
`;

export const scripts: Readonly<Record<"register" | "change" | "remove" | "read" | "restore" | "pulse", string>> = {
  register,
  change,
  remove,
  read,
  restore,
  pulse,
};
