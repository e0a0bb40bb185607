#include "fuzz/sim_runner.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <new>
#include <thread>

#include "core/base/check.hpp"
#include "core/sim/no_real_world.hpp"
#include "fuzz/input_reader.hpp"
#include "fuzz/sim_form.hpp"
#include "fuzz/stream_world.hpp"

namespace skysock::fuzz {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// A process that runs `work`, and what it wrote to standard error.
class Child {
 public:
  template <typename Work>
  explicit Child(Work work) : log_(memfd_create("skysock-sim", MFD_CLOEXEC)) {
    SKYSOCK_CHECK(log_ >= 0);
    std::fflush(nullptr);
    pid_ = fork();
    SKYSOCK_CHECK(pid_ >= 0);
    if (pid_ > 0) return;
    dup2(log_, STDERR_FILENO);
    work();
    std::exit(0);  // Leaks are looked for here.
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (!status_) kill();
    close(log_);
  }

  /// Whether it still runs.
  bool runs() {
    int status = 0;
    if (!status_ && waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
    return !status_;
  }
  void wait() {
    int status = 0;
    if (!status_ && waitpid(pid_, &status, 0) == pid_) status_ = status;
  }
  void kill() {
    ::kill(pid_, SIGKILL);
    wait();
  }
  /// Requires: it has ended.
  [[nodiscard]] bool passed() const { return WIFEXITED(*status_) && WEXITSTATUS(*status_) == 0; }
  /// How, if it did not pass and wrote no reason. Requires: it has ended.
  [[nodiscard]] std::string end() const {
    if (!WIFSIGNALED(*status_)) {
      return fmt::format("the process ended with {} and no word", WEXITSTATUS(*status_));
    }
    const int signal = WTERMSIG(*status_);
    if (signal == SIGALRM) return "it did not end in time: an endless loop?";
    return fmt::format("the process ended without a word: SIG{}", sigabbrev_np(signal));
  }

  [[nodiscard]] std::string output() const {
    std::string text(static_cast<std::size_t>(lseek(log_, 0, SEEK_END)), '\0');
    const ssize_t got = pread(log_, text.data(), text.size(), 0);
    text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return text;
  }

 private:
  int log_;
  pid_t pid_ = -1;
  std::optional<int> status_;
};

/// A check says that skysock failed it, which is true of the code; the program is another one.
std::string as_ours(std::string line) {
  constexpr std::string_view kItsName = "skysock: ";
  if (line.starts_with(kItsName)) line.replace(0, kItsName.size(), "skysock-sim: ");
  return line;
}

/// What is wrong with what the child did: a line of what it wrote, or how it ended.
std::string reason_of(const Child& child) {
  const std::string output = child.output();
  for (const std::string_view mark : {"check failed: ", "ERROR: ", "runtime error: "}) {
    const std::size_t found = output.find(mark);
    if (found == std::string::npos) continue;
    // Where it stands belongs to it; the number of the process, before ERROR, does not.
    const std::size_t line = output.rfind('\n', found) + 1;  // npos + 1 is 0.
    const std::size_t begin = mark == "ERROR: " ? found : line;
    return as_ours(output.substr(begin, output.find('\n', found) - begin));
  }
  return child.end();
}

/// What the running child tells.
struct Shared {
  std::atomic<std::uint64_t> programs{0};
  std::atomic<std::uint64_t> operations{0};
  std::atomic<std::uint64_t> trace{0};
  std::atomic<bool> over{false};  ///< All programs that were to be run were.
  SimCells cells;
};

class SharedMemory {
 public:
  SharedMemory()
      : memory_(mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                     -1, 0)) {
    SKYSOCK_CHECK(memory_ != MAP_FAILED);
    shared_ = new (memory_) Shared();
  }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory() { munmap(memory_, sizeof(Shared)); }
  Shared* operator->() { return shared_; }
  Shared& operator*() { return *shared_; }

 private:
  void* memory_;
  Shared* shared_;
};

/// Each program takes and frees the same memory: the kernel is not to hand it out anew each time.
void keep_freed_memory() {
  constexpr int kBytes = 256 << 20;
  mallopt(M_TRIM_THRESHOLD, kBytes);
  mallopt(M_MMAP_THRESHOLD, kBytes);
}

void run_range(const SimRange& range, Shared& shared) {
  keep_freed_memory();
  count_steps_in(&shared.cells);
  const auto begin = Clock::now();
  for (std::uint64_t number = 0; number < range.count; ++number) {
    if (range.limit_s > 0 && number % 64 == 0 && seconds_since(begin) >= range.limit_s) break;
    const SimProgram program = numbered_program(range.seed, number);
    const std::uint64_t trace = run_here(program);
    shared.trace = mix64(shared.trace ^ trace);
    shared.operations += program.operations.size();
    shared.programs += 1;
  }
  shared.over = true;
}

/// Of all processes that this one waited for.
double children_cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_CHILDREN, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

SimTally tally_of(Shared& shared, Clock::time_point begin) {
  return {.programs = shared.programs,
          .operations = shared.operations,
          .trace = shared.trace,
          .seconds = seconds_since(begin),
          .cells = shared.cells};
}

}  // namespace

std::uint64_t run_here(const SimProgram& program) {
  const std::vector<std::uint8_t> bytes = bytes_of(program);
  InputReader input(bytes);
  const NoRealWorld none;
  return StreamWorld(input).run();
}

SimRun run_apart(const std::function<void()>& work, unsigned limit_s) {
  Child child([&] {
    alarm(limit_s);  // An endless loop ends with SIGALRM.
    work();
  });
  child.wait();
  SimRun run{.passed = child.passed(), .output = child.output()};
  if (!run.passed) run.what = reason_of(child);
  return run;
}

SimRun run_apart(const SimProgram& program, unsigned limit_s) {
  return run_apart([&] { run_here(program); }, limit_s);
}

std::string without_reason(const SimRun& run) {
  std::string text = run.output;
  const std::size_t found = run.passed ? std::string::npos : text.find("check failed: ");
  if (found == std::string::npos) return text;
  const std::size_t begin = text.rfind('\n', found) + 1;  // npos + 1 is 0.
  const std::size_t end = text.find('\n', found);
  text.erase(begin, end == std::string::npos ? end : end + 1 - begin);
  return text;
}

SimProgram numbered_program(std::uint64_t seed, std::uint64_t number) {
  Prng random(mix64(mix64(seed) + number));
  return random_program(random);
}

SimTally run_random(const SimRange& range, const std::function<void(const SimTally&)>& progress) {
  constexpr std::chrono::milliseconds kLook{20};
  constexpr std::chrono::seconds kStuck{20};
  SharedMemory shared;
  const double cpu_before = children_cpu_seconds();
  const auto begin = Clock::now();
  Child child([&] { run_range(range, *shared); });
  auto moved = Clock::now();
  std::uint64_t programs = 0;
  while (child.runs()) {
    std::this_thread::sleep_for(kLook);
    if (const std::uint64_t now = shared->programs; now != programs) {
      programs = now;
      moved = Clock::now();
    }
    if (Clock::now() - moved > kStuck) child.kill();
    progress(tally_of(*shared, begin));
  }
  SimTally tally = tally_of(*shared, begin);
  tally.cpu_seconds = children_cpu_seconds() - cpu_before;
  if (child.passed()) return tally;
  if (shared->over) {
    tally.failed_at_end = reason_of(child);
  } else {
    tally.failed = tally.programs;
  }
  return tally;
}

namespace {

using Fails = std::function<bool(const SimProgram&)>;

/// One that still fails is kept.
class Shrinker {
 public:
  Shrinker(SimProgram program, const Fails& fails) : program_(std::move(program)), fails_(fails) {}

  SimProgram run() {
    while (drop_operations() || simplify_arguments() || simplify_connection() || drop_pairs()) {
    }
    return std::move(program_);
  }

 private:
  bool keep_if_it_fails(SimProgram candidate) {
    if (!fails_(candidate)) return false;
    program_ = std::move(candidate);
    return true;
  }

  /// Halves, quarters, ..., single operations.
  bool drop_operations() {
    bool any = false;
    for (std::size_t size = std::max<std::size_t>(program_.operations.size() / 2, 1); size > 0;
         size /= 2) {
      for (std::size_t at = 0; at + size <= program_.operations.size();) {
        SimProgram candidate = program_;
        const auto begin = candidate.operations.begin() + static_cast<std::ptrdiff_t>(at);
        candidate.operations.erase(begin, begin + static_cast<std::ptrdiff_t>(size));
        if (keep_if_it_fails(std::move(candidate))) {
          any = true;
        } else {
          at += size;
        }
      }
    }
    return any;
  }

  /// What begins with a listener, to accept one connection, may do with one that is opened.
  bool simplify_connection() {
    const auto& all = program_.operations;
    const auto start = std::ranges::find_if(all, [](const SimOperation& operation) {
      return operation.letter == 'S' && operation.arguments[1] == 1;
    });
    if (start == all.end()) return false;
    SimProgram candidate{.world = program_.world,
                         .operations = {{.letter = 'O', .arguments = {0, 0}}, {.letter = 'Q'}}};
    candidate.operations.insert(candidate.operations.end(), start + 1, all.end());
    for (SimOperation& operation : candidate.operations) {
      const Form& form = *std::ranges::find(forms(), operation.letter, &Form::letter);
      for (std::size_t at = 0; at < form.count(); ++at) {
        std::uint8_t& argument = operation.arguments[at];
        if (form.arguments[at] == "id" && argument > 0 && argument < 255) --argument;
      }
    }
    return keep_if_it_fails(std::move(candidate));
  }

  /// Of a short program: what makes sense only together, as a poll and what it carries out.
  bool drop_pairs() {
    constexpr std::size_t kShort = 24;
    const std::size_t count = program_.operations.size();
    if (count > kShort) return false;
    for (std::size_t first = 0; first + 1 < count; ++first) {
      for (std::size_t second = first + 1; second < count; ++second) {
        SimProgram candidate = program_;
        candidate.operations.erase(candidate.operations.begin() +
                                   static_cast<std::ptrdiff_t>(second));
        candidate.operations.erase(candidate.operations.begin() +
                                   static_cast<std::ptrdiff_t>(first));
        if (keep_if_it_fails(std::move(candidate))) return true;
      }
    }
    return false;
  }

  /// The number that `find(program)` refers to becomes `value`, if that is another one.
  template <typename Find>
  bool keep_number(Find find, std::uint8_t value) {
    if (find(program_) == value) return false;
    SimProgram candidate = program_;
    find(candidate) = value;
    return keep_if_it_fails(std::move(candidate));
  }

  /// 0, else as few bits as will do: each of them chooses something.
  bool simplify_world(std::size_t at) {
    const auto find = [at](SimProgram& program) -> std::uint8_t& { return program.world[at]; };
    bool any = keep_number(find, 0);
    for (unsigned bit = 1; bit < 256; bit *= 2) {
      any = keep_number(find, static_cast<std::uint8_t>(find(program_) & ~bit)) || any;
    }
    return any;
  }

  /// 0, else halved as often as will do.
  bool simplify_argument(std::size_t at, std::size_t argument) {
    const auto find = [=](SimProgram& program) -> std::uint8_t& {
      return program.operations[at].arguments[argument];
    };
    if (keep_number(find, 0)) return true;
    bool any = false;
    while (keep_number(find, find(program_) / 2)) any = true;
    return any;
  }

  bool simplify_arguments() {
    bool any = false;
    for (std::size_t at = 0; at < program_.world.size(); ++at) any = simplify_world(at) || any;
    for (std::size_t at = 0; at < program_.operations.size(); ++at) {
      for (std::size_t argument = 0; argument < program_.operations[at].arguments.size();
           ++argument) {
        any = simplify_argument(at, argument) || any;
      }
    }
    return any;
  }

  SimProgram program_;
  const Fails& fails_;
};

}  // namespace

SimProgram shrunk(SimProgram program, const Fails& fails) {
  return Shrinker(std::move(program), fails).run();
}

SimProgram shrunk(SimProgram program, const std::string& what, std::uint64_t& tried) {
  // A program takes milliseconds; of an endless loop every try costs the whole limit.
  constexpr unsigned kLimitS = 2;
  return shrunk(std::move(program), [&](const SimProgram& candidate) {
    ++tried;
    const SimRun run = run_apart(candidate, kLimitS);
    return !run.passed && run.what == what;
  });
}

}  // namespace skysock::fuzz
