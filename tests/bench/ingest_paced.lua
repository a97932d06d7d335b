-- As ingest.lua, each connection waiting for some time before it sends the next one, BENCH_DELAY milliseconds on average, so
-- that they do not send all at once.
dofile(os.getenv("BENCH_SCRIPTS") .. "/ingest.lua")

function delay()
    return math.floor(-math.log(1 - math.random()) * tonumber(os.getenv("BENCH_DELAY")))
end
