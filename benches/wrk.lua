-- What wrk sends, and the line of results that benches/run reads. The environment says what:
--   MODE    get (a path), create, or churn (each create is followed by a delete of what it made, so that the number of
--           tokens stays near the number of connections)
--   BEARER  the secret; empty sends no credential
--   TARGET  the path of MODE=get
local mode, secret = os.getenv("MODE"), os.getenv("BEARER")
if secret ~= "" then wrk.headers["Authorization"] = "Bearer " .. secret end

local threads = 0
function setup(thread)
  thread:set("thread_id", threads)
  threads = threads + 1
end

if mode == "get" then
  -- Without a request function wrk sends the same bytes again and spends no time in Lua.
  wrk.path = os.getenv("TARGET")
else
  wrk.headers["Content-Type"] = "application/json"
  local created, number = {}, 0
  request = function()
    if #created > 0 then
      local body = '{"token_id":"' .. table.remove(created) .. '"}'
      return wrk.format("POST", "/api/2.0/token/delete", nil, body)
    end
    number = number + 1
    local comment = "load " .. thread_id .. "-" .. number
    return wrk.format("POST", "/api/2.0/token/create", nil, '{"lifetime_seconds":3600,"comment":"' .. comment .. '"}')
  end
  if mode == "churn" then
    response = function(_, _, body)
      local id = string.match(body, '"token_id"%s*:%s*"([^"]+)"')
      if id then created[#created + 1] = id end
    end
  end
end

-- Requests a second, p50 and p99 in ms, requests, answers other than 2xx or 3xx, socket errors.
done = function(summary, latency)
  local errors = summary.errors
  io.write(table.concat({
    "RESULT",
    summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1000,
    latency:percentile(99) / 1000,
    summary.requests,
    errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
  }, "\t"), "\n")
end
