#include "bench/counts/libraries.hpp"

#include <fmt/format.h>
#include <link.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace skysock::bench::counts {
namespace {

/// FNV-1a, 64 bits: tells versions apart, nothing more.
std::uint64_t hash_of_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::uint64_t hash = 14'695'981'039'346'656'037ULL;
  for (auto at = std::istreambuf_iterator<char>(file); at != std::istreambuf_iterator<char>();
       ++at) {
    hash = (hash ^ static_cast<unsigned char>(*at)) * 1'099'511'628'211ULL;
  }
  return hash;
}

int add(dl_phdr_info* info, std::size_t /*size*/, void* into) {
  std::error_code error;
  const auto path = std::filesystem::canonical(info->dlpi_name, error);
  // The program itself has no name, the kernel's part no file, valgrind's own part is not ours.
  if (error || path.string().find("valgrind") != std::string::npos) return 0;
  auto& found = *static_cast<std::map<std::string, std::string>*>(into);
  found[path.filename()] = fmt::format("{:016x}", hash_of_file(path));
  return 0;
}

}  // namespace

std::map<std::string, std::string> libraries() {
  std::map<std::string, std::string> found;
  dl_iterate_phdr(add, &found);
  return found;
}

}  // namespace skysock::bench::counts
