# The Markdown table of a record of skysock-bench --compare-peers: a row per scenario, a column per server.

# With n digits after the point, n > 0.
def fixed(n):
  (. * pow(10; n) | round | tostring)
  | if length <= n then "0" * (n + 1 - length) + . else . end
  | .[:-n] + "." + .[-n:];

def row: "| " + join(" | ") + " |";

# Servers whose latencies are shown, when they are in the record.
def shown_latency: "plain_epoll", "skysock_workers0", "skysock_lua";

def server(name): .servers | map(select(.name == name)) | first;

def ratio:
  if . == null then ""
  elif .ratio_to_plain_epoll == null then "-"
  else (.ratio_to_plain_epoll | (.of_p10 | fixed(3)) + (if .unresolved then "?" else "" end))
  end;

def p99:
  if . == null then "" elif .latency_us == null then "-"
  else (.latency_us.p99 | if . < 100 then fixed(1) else round | tostring end) + (if .load_limited then "!" else "" end)
    + (if .intended_operations_per_second then " at \(.intended_operations_per_second / 1000 | round) k/s" else "" end)
  end;

# Of a scenario whose servers have nothing to do: what a connection takes.
def kib: if .rss_bytes_per_connection == null then "-" else .rss_bytes_per_connection / 1024 | fixed(2) end;

def caption:
  "One run of `skysock-bench --compare-peers`: \(.rounds) rounds of \(.slice_s) s, seed \(.seed), \(.facts.placement), "
  + "\(.facts.cpus) x \(.facts.cpu), Linux \(.facts.kernel), \(.facts.compiler), commit \(.facts.git[:12])"
  + (if .facts.git | endswith("-dirty") then " with changes" else "" end) + ". "
  + "`?`: not resolved by this run. `!`: the load was the limit, so the latency is its own."
  + (if .busy | length > 0 then " The machine was busy: \(.busy | join("; "))." else "" end)
  + (.left_out | map(" \(.name) could not run: \(.because).") | join(""));

[.scenarios[].servers[].name] as $all
| (reduce $all[] as $name ([]; if index([$name]) then . else . + [$name] end)) as $servers
| [shown_latency | select(. as $name | $servers | index([$name]))] as $timed
| (["Scenario, CPU per", "`\($servers[0])`, us"] + ($servers[1:] | map("`\(.)`")) + ($timed | map("p99 us, `\(.)`"))
   | row, (map("---") | row)),
  (.scenarios[] | . as $scenario
   | if .servers[0].ratio_to_plain_epoll == null then
       ["`\(.name)`, KiB per connection"] + ($servers | map(. as $name | $scenario | server($name) | if . == null then "" else kib end))
     else
       ["`\(.name)`, \(.operation)", (.servers[0].cpu_us_per_operation_p10 | fixed(2))]
       + ($servers[1:] | map(. as $name | $scenario | server($name) | ratio))
     end
     + ($timed | map(. as $name | $scenario | server($name) | p99))
   | row),
  "", caption
