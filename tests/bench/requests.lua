-- What wrk sends, by the first argument after "--", and the line of figures that
-- tests/bench/run reads.

local json = {["Content-Type"] = "application/json"}
local threads = {}

-- The id of a thread's n-th result; files.c makes the same names.
local function id(thread, n, run)
	return string.format("%02x%06x-%04x-4000-8000-%012x", n % 256,
	    math.floor(n / 256) % 16777216, thread, run)
end

function setup(thread)
	thread:set("number", #threads)
	table.insert(threads, thread)
end

local kinds = {}

-- get COUNT: the results that "fill" has made, again and again.
kinds.get = function(count)
	local all, n = {}, 0
	for i = 0, tonumber(count) - 1 do
		all[i] = wrk.format("GET", "/v1/result/" .. id(0, i, 0))
	end
	return function()
		n = (n + 1) % tonumber(count)
		return all[n]
	end
end

-- path PATH: always the same.
kinds.path = function(path)
	local get = wrk.format("GET", path)
	return function() return get end
end

-- idle AGENTS: each of them in turn, for a queue on which nothing waits.
kinds.idle = function(agents)
	local all, n = {}, number
	for i = 0, tonumber(agents) - 1 do
		all[i] = wrk.format("GET", "/v1/job?queue=idle&agent=bench" .. i)
	end
	return function()
		n = (n + 1) % tonumber(agents)
		return all[n]
	end
end

kinds.job = function(body)
	local post = wrk.format("POST", "/v1/job", json, body)
	return function() return post end
end

-- paced MS BODY: a job after each pause.
kinds.paced = function(ms, body)
	function delay()
		return tonumber(ms)
	end
	return kinds.job(body)
end

-- A poll for 20 of so many queues, by an agent who has no job yet.
local function poll(queues, run, n)
	local asked = {}
	for i = 1, 20 do
		asked[i] = "queue=q" .. math.random(0, queues - 1)
	end
	return wrk.format("GET", string.format("/v1/job?agent=a%s-%d-%d&%s",
	    run, number, n, table.concat(asked, "&")))
end

-- take QUEUES RUN
kinds.take = function(queues, run)
	local n = 0
	math.randomseed(os.time() + number)
	return function()
		n = n + 1
		return poll(tonumber(queues), run, n)
	end
end

-- turnover QUEUES RUN: for each job that is taken one is posted.
kinds.turnover = function(queues, run)
	local n = 0
	math.randomseed(os.time() + number)
	return function()
		n = n + 1
		if n % 2 == 0 then return poll(tonumber(queues), run, n) end
		return wrk.format("POST", "/v1/job", json, string.format(
		    '{ "job_queue": "q%d", "option":"foo" }',
		    math.random(0, queues - 1)))
	end
end

-- result RUN BODY: each to an id of its own.
kinds.result = function(run, body)
	local n = -1
	return function()
		n = n + 1
		return wrk.format("POST", "/v1/result/" .. id(number, n, run),
		    json, body)
	end
end

-- mixed EACH RUN JOB RESULT: as a lab's day goes, EACH requests from each thread.
kinds.mixed = function(each, run, job, result)
	local n, answers = -1, 0
	local post = wrk.format("POST", "/v1/job", json, job)
	local take = wrk.format("GET", "/v1/job?queue=bench&agent=bench")
	local agent = wrk.format("POST", "/v1/agents/data/bench" .. number, json,
	    '{"state":"waiting","queues":["bench"]}')
	local asked = wrk.format("GET", "/v1/agents/data/bench" .. number)
	local live = wrk.format("GET", "/v1/health/live")
	local ready = wrk.format("GET", "/v1/health/ready")
	local function path(i)
		return "/v1/result/" .. id(number, i, run)
	end
	function response()
		answers = answers + 1
		if answers == tonumber(each) then wrk.thread:stop() end
	end
	return function()
		n = n + 1
		local turn, round = n % 10, math.floor(n / 10)
		if turn == 0 or turn == 5 then return post end
		if turn == 1 or turn == 6 then return take end
		if turn == 2 then
			return wrk.format("POST", path(round), json, result)
		end
		if turn == 3 then return agent end
		if turn == 4 then return asked end
		if turn == 7 then return live end
		if turn == 8 then return ready end
		return wrk.format("GET", path(math.max(0, round - 1)))
	end
end

function init(args)
	request = kinds[args[1]](args[2], args[3], args[4], args[5])
end

-- Requests, per second, failures of any kind, bytes.
function done(summary)
	local e = summary.errors
	io.write(string.format("figures: %d %.1f %d %.0f\n", summary.requests,
	    summary.requests / (summary.duration / 1e6),
	    e.connect + e.read + e.write + e.status + e.timeout, summary.bytes))
end
