-- Small status pushes, each of another fax, over connections that are kept; what came of it as one line of JSON.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"

local count = 0
local started = 0

function setup(thread)
  started = started + 1
  thread:set("number", started)
end

function request()
  count = count + 1
  return wrk.format(nil, nil, nil, string.format(
    '[{"type":"OUTGOING_FAX","id":"bench-%d-%d","account_id":"1","account_name":"bench","cli":"902162222525",' ..
    '"cld":"902163%06d","status":"busy","result_message":"busy","requested_on":"2026-01-05 09:00:00",' ..
    '"sent_on":null,"queued_on":"2026-01-05 09:00:01","tried_on":"2026-01-05 09:00:02","tried_count":1,' ..
    '"page_count":0,"total_page_count":2,"ecm_used":true,"has_t38":false,"remote_station_id":"",' ..
    '"fax_encoding":"MMR","transfer_rate":14400}]', number, count, count % 1000000))
end

function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format(
    '\n{"seconds":%f,"answered":%d,"errors":%d,"p50":%f,"p99":%f}\n', summary.duration / 1e6, summary.requests,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
