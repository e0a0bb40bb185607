// Does a trace give back exactly the steps that were taken, does every damage to it have its
// offset, and does a disk that is full end the trace and nothing else?

#include "core/net/step_trace.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <vector>

namespace skysock {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// A file that goes with the test.
class TracePath {
 public:
  TracePath() {
    const int fd = mkstemp(path_.data());
    EXPECT_GE(fd, 0);
    close(fd);
  }
  TracePath(const TracePath&) = delete;
  TracePath& operator=(const TracePath&) = delete;
  ~TracePath() { unlink(path_.c_str()); }

  operator const std::string&() const { return path_; }

 private:
  std::string path_ = testing::TempDir() + "skysock_trace_XXXXXX";
};

const Rule& rule(State from, Input input) { return *find_rule(from, input); }

void no_failure(std::error_code error) { ADD_FAILURE() << error.message(); }

/// A trace of `count` steps that differ.
void write_trace(const std::string& path, int count) {
  const auto trace = StepTrace::open(path, no_failure);
  ASSERT_TRUE(trace);
  const StepObserver observer = (*trace)->observer();
  for (int at = 0; at < count; ++at) {
    observer.on_step(observer.context, {.now_ms = 1'000 + at,
                                        .id = 7 + at,
                                        .owner = 0xFFFF'FFFFU,
                                        .rule = rule(State::connected, Input::received)});
    if (at % 3 == 0) (*trace)->flush();
  }
}

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void set_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

/// The error of reading, or "".
std::string error_of(const std::string& path) {
  const auto read = read_step_trace(path, [](const TracedStep&) {});
  return read ? "" : read.error();
}

TEST(StepTrace, EveryRuleOfTheTableComesBackAsItIs) {
  const TracePath path;
  std::vector<const Rule*> written;
  {
    const auto trace = StepTrace::open(path, no_failure);
    ASSERT_TRUE(trace);
    const StepObserver observer = (*trace)->observer();
    for (std::size_t cell = 0; cell < kStateCount * kInputCount; ++cell) {
      const Rule* one =
          find_rule(static_cast<State>(cell / kInputCount), static_cast<Input>(cell % kInputCount));
      if (one == nullptr) continue;
      written.push_back(one);
      observer.on_step(observer.context,
                       {.now_ms = -5, .id = 0x7FFF'FFFF, .owner = 3, .rule = *one});
    }
  }
  std::vector<const Rule*> read;
  const auto count = read_step_trace(path, [&](const TracedStep& step) {
    EXPECT_EQ(step.now_ms, -5);
    EXPECT_EQ(step.id, 0x7FFF'FFFF);
    EXPECT_EQ(step.owner, 3U);
    read.push_back(step.rule);
  });
  ASSERT_TRUE(count) << count.error();
  EXPECT_EQ(*count, written.size());
  EXPECT_EQ(read, written);
}

TEST(StepTrace, MoreStepsThanTheBufferHoldsAreAllThere) {
  const TracePath path;
  {
    const auto trace = StepTrace::open(path, no_failure);
    ASSERT_TRUE(trace);
    const StepObserver observer = (*trace)->observer();
    for (int at = 0; at < 10'000; ++at) {
      observer.on_step(
          observer.context,
          {.now_ms = at, .id = 1, .owner = 1, .rule = rule(State::udp, Input::datagram)});
    }
  }
  std::int64_t next = 0;
  const auto count =
      read_step_trace(path, [&](const TracedStep& step) { EXPECT_EQ(step.now_ms, next++); });
  ASSERT_TRUE(count) << count.error();
  EXPECT_EQ(*count, 10'000U);
}

TEST(StepTrace, AFlushedStepIsInTheFileWhileTheTraceGoesOn) {
  const TracePath path;
  const auto trace = StepTrace::open(path, no_failure);
  ASSERT_TRUE(trace);
  EXPECT_EQ(bytes_of(path).size(), kTraceHeaderBytes);
  const StepObserver observer = (*trace)->observer();
  observer.on_step(observer.context,
                   {.now_ms = 1, .id = 1, .owner = 1, .rule = rule(State::connected, Input::eof)});
  (*trace)->flush();
  EXPECT_EQ(bytes_of(path).size(), kTraceHeaderBytes + kTraceStepBytes);
}

TEST(StepTrace, AnyChangedBitIsFoundInItsStep) {
  const TracePath path;
  write_trace(path, 4);
  const std::string whole = bytes_of(path);
  ASSERT_EQ(whole.size(), kTraceHeaderBytes + 4 * kTraceStepBytes);
  ASSERT_EQ(error_of(path), "");
  for (std::size_t at = kTraceHeaderBytes; at < whole.size(); ++at) {
    for (const int bit : {0, 3, 7}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      set_bytes(path, changed);
      const std::size_t number = (at - kTraceHeaderBytes) / kTraceStepBytes;
      const std::size_t offset = kTraceHeaderBytes + number * kTraceStepBytes;
      EXPECT_THAT(error_of(path), HasSubstr(": offset " + std::to_string(offset) + ": step " +
                                            std::to_string(number) + " is damaged"));
    }
  }
}

TEST(StepTrace, CutAnywhereItSaysWhereItEnds) {
  const TracePath path;
  write_trace(path, 2);
  const std::string whole = bytes_of(path);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    set_bytes(path, whole.substr(0, size));
    const bool whole_steps =
        size >= kTraceHeaderBytes && (size - kTraceHeaderBytes) % kTraceStepBytes == 0;
    if (whole_steps) {
      EXPECT_EQ(error_of(path), "") << size;
    } else if (size < 8) {
      EXPECT_THAT(error_of(path), HasSubstr("offset 0: no trace of skysock")) << size;
    } else {
      EXPECT_THAT(error_of(path), HasSubstr("ends inside")) << size;
    }
  }
}

TEST(StepTrace, ALostStepAndADoubledStepAreNoticed) {
  const TracePath path;
  write_trace(path, 3);
  const std::string whole = bytes_of(path);
  std::string lost = whole;
  set_bytes(path, lost.erase(kTraceHeaderBytes, kTraceStepBytes));
  EXPECT_THAT(error_of(path), HasSubstr("offset 16: step 0 is damaged"));
  std::string doubled = whole;
  set_bytes(path, doubled.insert(kTraceHeaderBytes, whole, kTraceHeaderBytes, kTraceStepBytes));
  EXPECT_THAT(error_of(path), HasSubstr("offset 40: step 1 is damaged"));
}

TEST(StepTrace, AStepThatIsNoRuleIsRefused) {
  // connected + eof leads to halfclose_read and says CLOSE: each of these says something else.
  for (const Rule& wrong : {Rule{State::connected, Input::eof, State::free, Emit::close},
                            Rule{State::connected, Input::eof, State::halfclose_read},
                            Rule{State::listening, Input::received, State::listening},
                            Rule{State{200}, Input{200}, State{200}}}) {
    const TracePath path;
    {
      const auto trace = StepTrace::open(path, no_failure);
      ASSERT_TRUE(trace);
      const StepObserver observer = (*trace)->observer();
      observer.on_step(observer.context, {.now_ms = 1, .id = 1, .owner = 1, .rule = wrong});
    }
    EXPECT_THAT(error_of(path), HasSubstr("offset 16: step 0 is no rule of the table"));
  }
}

TEST(StepTrace, OtherHeadersAreNamed) {
  const TracePath path;
  write_trace(path, 1);
  const std::string whole = bytes_of(path);
  const auto with = [&](std::size_t at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    set_bytes(path, changed);
    return error_of(path);
  };
  EXPECT_THAT(with(0), HasSubstr("offset 0: no trace of skysock: 'skytrace' expected"));
  EXPECT_THAT(with(8), HasSubstr("offset 8: version 0, 1 expected"));
  EXPECT_THAT(with(12), HasSubstr("offset 12: written with other rules"));
}

TEST(StepTrace, FilesThatCannotBeOpenedAreErrors) {
  EXPECT_FALSE(StepTrace::open("/nowhere/trace", no_failure));
  EXPECT_FALSE(StepTrace::open(testing::TempDir(), no_failure));
  EXPECT_THAT(error_of("/nowhere/trace"), HasSubstr("/nowhere/trace: No such file"));
  EXPECT_THAT(error_of(testing::TempDir()), HasSubstr("Is a directory"));
}

TEST(StepTrace, ADeviceThatIsFullIsAnErrorAtOnce) {
  const auto trace = StepTrace::open("/dev/full", no_failure);
  ASSERT_FALSE(trace);
  EXPECT_EQ(trace.error(), std::errc::no_space_on_device);
}

TEST(StepTrace, APipeThatNobodyReadsIsAnErrorAtOnce) {
  const TracePath path;
  ASSERT_EQ(unlink(static_cast<const std::string&>(path).c_str()), 0);
  ASSERT_EQ(mkfifo(static_cast<const std::string&>(path).c_str(), 0600), 0);
  EXPECT_FALSE(StepTrace::open(path, no_failure));
}

/// A limit on file sizes, as a full disk that comes and goes.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : before_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = old_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, before_);
  }

 private:
  void (*before_)(int);
  rlimit old_{};
};

TEST(StepTrace, ADiskThatFillsEndsTheTraceWithOneWarningAndWholeSteps) {
  const TracePath path;
  std::vector<std::error_code> failures;
  {
    const FileSizeLimit limit(kTraceHeaderBytes + 10 * kTraceStepBytes + 5);
    const auto trace =
        StepTrace::open(path, [&](std::error_code error) { failures.push_back(error); });
    ASSERT_TRUE(trace);
    const StepObserver observer = (*trace)->observer();
    for (int at = 0; at < 10'000; ++at) {
      observer.on_step(
          observer.context,
          {.now_ms = at, .id = 1, .owner = 1, .rule = rule(State::connected, Input::received)});
      if (at % 4 == 3) (*trace)->flush();
    }
  }
  EXPECT_THAT(failures, ElementsAre(std::make_error_code(std::errc::file_too_large)));
  // Two batches of four were whole; of the third, which did not fit, nothing is left.
  const auto count = read_step_trace(path, [](const TracedStep&) {});
  ASSERT_TRUE(count) << count.error();
  EXPECT_EQ(*count, 8U);
}

TEST(StepTrace, ALineSaysWhenWhoAndWhatHappened) {
  const TracedStep step{.now_ms = 3'500,
                        .id = 65'537,
                        .owner = 0x1000002,
                        .rule = &rule(State::paccept, Input::start)};
  EXPECT_EQ(step_text(step, 1'000),
            "    2.500 s  id 65537  owner :01000002  paccept + start -> connected, emits OPEN "
            "\"start\", does own");
}

}  // namespace
}  // namespace skysock
