#pragma once

#include <map>
#include <string>

namespace skysock::bench::counts {

/// The shared libraries that this process runs with, by file name, each with a hash of its file: a
/// security update of one may change instruction counts.
std::map<std::string, std::string> libraries();

}  // namespace skysock::bench::counts
