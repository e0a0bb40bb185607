#pragma once

#include "bench/load/latency.hpp"
#include "bench/load/udp_echo_load.hpp"

namespace skysock::bench::compare {

/// What a load timed; a histogram without samples: it does not time that.
struct Latencies {
  load::LatencyHistogram operations;  ///< From send, connect, or the intended time of an open loop.
  load::LatencyHistogram lateness;    ///< Open loop: from the intended time to the send.
  load::LatencyHistogram probes;      ///< Broadcast: connect to the first byte, beside its traffic.
  load::UdpTroubles datagrams;        ///< UDP: those that were not answered once and in time.
};

}  // namespace skysock::bench::compare
