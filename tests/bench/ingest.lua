-- Batches of events that were never sent before, of many tenants by turns.
--     wrk ... -- KEYS BATCH PREFIX [TIME]
-- KEYS has a line "key subject subject..." a tenant; an event's id is PREFIX and twelve digits, in
-- ascending order, as UUIDs of version 7 are. A batch of 1 is sent as an event; others divide 1,000. TIME is that of all
-- events; so a second run sends the same as the first. What is the same in many events is spelled once.
local senders, batch, number, turn, fixed, ends = {}, 0, 0, 0, nil, {}

function init(arguments)
    batch, fixed = tonumber(arguments[2]), arguments[4]
    for last = 0, 999 do
        ends[last] = string.format('%03d"}', last)
    end
    local media = batch == 1 and "application/cloudevents+json" or "application/cloudevents-batch+json"
    for line in io.lines(arguments[1]) do
        local sender = {heads = {}}
        for word in line:gmatch("%S+") do
            if sender.headers == nil then
                sender.headers = {["Authorization"] = "Bearer " .. word,
                                  ["Content-Type"] = media}
            else
                table.insert(sender.heads, '{"specversion":"1.0","source":"/bench",' ..
                    '"type":"bench.used","subject":"' .. word .. '","time":"%s",' ..
                    '"data":{"quantity":"12"},"id":"' .. arguments[3] .. "%09d")
            end
        end
        table.insert(senders, sender)
    end
end

function request()
    local sender = senders[turn % #senders + 1]
    local time = fixed or os.date("!%Y-%m-%dT%H:%M:%SZ")
    local heads, others, body = {}, {}, {}
    for place, head in ipairs(sender.heads) do
        heads[place] = head:format(time, math.floor(number / 1000))
        others[place] = "," .. heads[place]
    end
    for place = 1, batch do
        body[2 * place - 1] = (place == 1 and heads or others)[place % #heads + 1]
        body[2 * place] = ends[number % 1000]
        number = number + 1
    end
    turn = turn + 1
    local text = table.concat(body)
    return wrk.format("POST", "/v1/events", sender.headers, batch == 1 and text or "[" .. text .. "]")
end

function done(summary, latency)
    local errors = 0
    for _, count in pairs(summary.errors) do
        errors = errors + count
    end
    print(string.format('\nCOUNTED {"requests": %d, "errors": %d, "microseconds": %d, "p99": %d}',
                        summary.requests, errors, summary.duration, latency:percentile(99)))
end
