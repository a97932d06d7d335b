-- The same request again and again; what was counted, as JSON.
function done(summary)
    local errors = 0
    for _, count in pairs(summary.errors) do
        errors = errors + count
    end
    print(string.format('\nCOUNTED {"requests": %d, "errors": %d, "microseconds": %d}',
                        summary.requests, errors, summary.duration))
end
