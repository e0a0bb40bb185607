// main() for fuzzers in every preset but `fuzz`: runs each file given (or each file of each
// directory given) through LLVMFuzzerTestOneInput once, so that seeds and fixed crashes are tests.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" [[gnu::weak]] int LLVMFuzzerInitialize(int* argc, char*** argv);

namespace {

namespace fs = std::filesystem;

constexpr const char* kUsage =
    "usage: %s FILE_OR_DIRECTORY...\n"
    "Runs every file through the fuzz target once. This build has no fuzzing engine; preset "
    "`fuzz`\n"
    "has. Exit codes: 0 all ran, 1 a file cannot be read or nothing was given, a signal: a bug.\n";

/// Every file named by `path`, in name order; `path` itself if it is no directory.
std::vector<fs::path> files_of(const fs::path& path) {
  if (!fs::is_directory(path)) return {path};
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

bool run(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file.is_open() || file.bad() || !fs::is_regular_file(path)) {
    std::fprintf(stderr, "replay: cannot read %s\n", path.c_str());
    return false;
  }
  // On the heap and of the exact size, so that ASan sees a read past the end.
  const std::vector<std::uint8_t> input(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(input.data(), input.size());
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (LLVMFuzzerInitialize != nullptr) LLVMFuzzerInitialize(&argc, &argv);
  if (argc > 1 && std::string(argv[1]) == "--help") return std::printf(kUsage, argv[0]), 0;
  std::size_t ran = 0;
  bool readable = true;
  for (int at = 1; at < argc; ++at) {
    for (const fs::path& file : files_of(argv[at])) {
      const bool done = run(file);
      ran += done ? 1 : 0;
      readable = readable && done;
    }
  }
  std::fprintf(stderr, "replay: ran %zu inputs\n", ran);
  if (ran == 0) std::fprintf(stderr, kUsage, argv[0]);
  return readable && ran > 0 ? 0 : 1;
}
