-- The same request again and again; what was counted, as JSON.
function done(summary, latency)
    local errors = 0
    for _, count in pairs(summary.errors) do
        errors = errors + count
    end
    print(string.format('\nCOUNTED {"requests": %d, "errors": %d, "microseconds": %d, "p99": %d}',
                        summary.requests, errors, summary.duration, latency:percentile(99)))
end
