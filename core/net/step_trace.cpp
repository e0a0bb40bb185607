#include "core/net/step_trace.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include "core/base/bytes.hpp"
#include "core/base/prng.hpp"

namespace skysock {
namespace {

constexpr std::string_view kMagic = "skytrace";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kVersionAt = kMagic.size();
constexpr std::size_t kFingerprintAt = kVersionAt + sizeof kVersion;
constexpr std::size_t kRuleAt = 16;  ///< Within a step.
constexpr std::size_t kCheckAt = 21;
static_assert(kFingerprintAt + sizeof(std::uint32_t) == kTraceHeaderBytes);
static_assert(kCheckAt + 3 == kTraceStepBytes);

using Header = std::array<std::byte, kTraceHeaderBytes>;
using StepBytes = std::span<const std::byte, kTraceStepBytes>;

std::uint64_t digest(std::uint64_t seed, const Rule& rule) {
  for (const auto part :
       {static_cast<std::uint64_t>(rule.from), static_cast<std::uint64_t>(rule.input),
        static_cast<std::uint64_t>(rule.to), static_cast<std::uint64_t>(rule.emit),
        static_cast<std::uint64_t>(rule.act)}) {
    seed = mix64(seed ^ part);
  }
  return seed;
}

/// Of every rule there is.
std::uint32_t fingerprint() {
  std::uint64_t seed = kStateCount * kInputCount;
  for (std::size_t cell = 0; cell < kStateCount * kInputCount; ++cell) {
    const Rule* rule =
        find_rule(static_cast<State>(cell / kInputCount), static_cast<Input>(cell % kInputCount));
    seed = rule == nullptr ? mix64(seed ^ cell) : digest(seed, *rule);
  }
  return static_cast<std::uint32_t>(seed);
}

Header make_header() {
  Header header{};
  std::memcpy(header.data(), kMagic.data(), kMagic.size());
  put(put(std::span(header).subspan(kVersionAt), kVersion), fingerprint());
  return header;
}

std::uint32_t check_of(StepBytes step, std::uint64_t number) {
  std::array<std::byte, kTraceStepBytes> checked{};
  std::memcpy(checked.data(), step.data(), kCheckAt);
  for (std::size_t at = 0; at < checked.size(); at += sizeof(std::uint64_t)) {
    number = mix64(number ^ get<std::uint64_t>(checked, at));
  }
  return static_cast<std::uint32_t>(number) & 0xFF'FFFFU;
}

std::uint32_t check_in(StepBytes step) { return get<std::uint32_t>(step, kCheckAt - 1) >> 8U; }

/// The table's rule, when the step says what the table says.
const Rule* rule_in(StepBytes step) {
  const auto part = [&](std::size_t index) {
    return static_cast<std::size_t>(step[kRuleAt + index]);
  };
  if (part(0) >= kStateCount || part(1) >= kInputCount) return nullptr;
  const Rule* rule = find_rule(static_cast<State>(part(0)), static_cast<Input>(part(1)));
  const bool same = rule != nullptr && static_cast<std::size_t>(rule->to) == part(2) &&
                    static_cast<std::size_t>(rule->emit) == part(3) &&
                    static_cast<std::size_t>(rule->act) == part(4);
  return same ? rule : nullptr;
}

}  // namespace

// ---- Writing

Result<std::unique_ptr<StepTrace>> StepTrace::open(
    const std::string& path, std::function<void(std::error_code)> on_failure) {
  // Non-blocking, for a pipe: one that nobody reads is an error, a slow one ends the trace.
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  const int fd = ::open(path.c_str(), kFlags, 0644);  // NOLINT: vararg
  if (fd < 0) return last_errno();
  std::unique_ptr<StepTrace> trace(new StepTrace(fd, nullptr));
  const Header header = make_header();
  if (!trace->write_all(header)) return last_errno();
  trace->on_failure_ = std::move(on_failure);
  return trace;
}

StepTrace::StepTrace(int fd, std::function<void(std::error_code)> on_failure)
    : fd_(fd), on_failure_(std::move(on_failure)) {}

StepTrace::~StepTrace() {
  flush();
  if (fd_ >= 0) ::close(fd_);
}

StepObserver StepTrace::observer() {
  return {.context = this, .on_step = [](void* context, const Step& step) {
            static_cast<StepTrace*>(context)->add(step);
          }};
}

void StepTrace::add(const Step& step) {
  if (fd_ < 0) return;
  if (steps_ - written_steps_ == kBufferSteps) flush();
  const std::size_t at = static_cast<std::size_t>(steps_ - written_steps_) * kTraceStepBytes;
  const auto bytes = std::span(buffer_).subspan(at).first<kTraceStepBytes>();
  auto rest = put(put(put(std::span<std::byte>(bytes), step.now_ms), step.id), step.owner);
  rest = put(put(rest, static_cast<std::uint8_t>(step.rule.from)),
             static_cast<std::uint8_t>(step.rule.input));
  rest = put(put(rest, static_cast<std::uint8_t>(step.rule.to)),
             static_cast<std::uint8_t>(step.rule.emit));
  rest = put(rest, static_cast<std::uint8_t>(step.rule.act));
  const std::uint32_t check = check_of(bytes, steps_);
  put(put(rest, static_cast<std::uint16_t>(check)), static_cast<std::uint8_t>(check >> 16U));
  ++steps_;
}

void StepTrace::flush() {
  if (fd_ < 0 || steps_ == written_steps_) return;
  const auto count = static_cast<std::size_t>(steps_ - written_steps_);
  if (!write_all(std::span(buffer_).first(count * kTraceStepBytes))) {
    return fail(errno_code(errno));
  }
  written_steps_ = steps_;
}

/// False, with errno, when not all of it could be written.
bool StepTrace::write_all(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return true;
}

void StepTrace::fail(std::error_code error) {
  const auto whole = static_cast<off_t>(kTraceHeaderBytes + written_steps_ * kTraceStepBytes);
  [[maybe_unused]] const int cut = ::ftruncate(fd_, whole);  // A pipe or a device has no end.
  ::close(std::exchange(fd_, -1));
  if (on_failure_) on_failure_(error);
}

// ---- Reading

namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

std::unexpected<std::string> damaged(const std::string& path, std::uint64_t offset,
                                     const std::string& what) {
  return std::unexpected(fmt::format("{}: offset {}: {}", path, offset, what));
}

std::expected<void, std::string> read_header(const std::string& path, std::FILE* file) {
  Header header{};
  const std::size_t held = std::fread(header.data(), 1, header.size(), file);
  if (std::ferror(file) != 0) return damaged(path, 0, std::strerror(errno));
  const Header expected = make_header();
  if (std::memcmp(header.data(), expected.data(), kMagic.size()) != 0) {
    return damaged(path, 0, fmt::format("no trace of skysock: '{}' expected", kMagic));
  }
  if (held < header.size()) {
    return damaged(path, held, fmt::format("ends inside its header of {} bytes", header.size()));
  }
  if (const auto version = get<std::uint32_t>(header, kVersionAt); version != kVersion) {
    return damaged(path, kVersionAt, fmt::format("version {}, {} expected", version, kVersion));
  }
  if (header != expected) {
    return damaged(path, kFingerprintAt,
                   "written with other rules than this program's: read it with the skysock that "
                   "wrote it");
  }
  return {};
}

}  // namespace

std::expected<std::uint64_t, std::string> read_step_trace(
    const std::string& path, const std::function<void(const TracedStep&)>& visit) {
  const File file(std::fopen(path.c_str(), "rbe"), std::fclose);
  if (!file) return std::unexpected(fmt::format("{}: {}", path, std::strerror(errno)));
  if (auto done = read_header(path, file.get()); !done) return std::unexpected(done.error());
  for (std::uint64_t number = 0;; ++number) {
    const std::uint64_t offset = kTraceHeaderBytes + number * kTraceStepBytes;
    std::array<std::byte, kTraceStepBytes> step{};
    const std::size_t held = std::fread(step.data(), 1, step.size(), file.get());
    if (std::ferror(file.get()) != 0) return damaged(path, offset, std::strerror(errno));
    if (held == 0) return number;
    if (held < step.size()) {
      return damaged(
          path, offset,
          fmt::format("ends inside step {}: {} of its {} bytes", number, held, step.size()));
    }
    if (check_in(step) != check_of(step, number)) {
      return damaged(path, offset,
                     fmt::format("step {} is damaged: its check is {:06x}, {:06x} expected", number,
                                 check_in(step), check_of(step, number)));
    }
    const Rule* rule = rule_in(step);
    if (rule == nullptr) {
      return damaged(path, offset, fmt::format("step {} is no rule of the table", number));
    }
    visit({.now_ms = get<std::int64_t>(step, 0),
           .id = get<SocketId>(step, 8),
           .owner = get<ServiceHandle>(step, 12),
           .rule = rule});
  }
}

std::string step_text(const TracedStep& step, std::int64_t start_ms) {
  const Rule& rule = *step.rule;
  std::string text =
      fmt::format("{:>9.3f} s  id {}  owner :{:08x}  {} + {} -> {}",
                  static_cast<double>(step.now_ms - start_ms) / 1e3, step.id, step.owner,
                  to_text(rule.from), to_text(rule.input), to_text(rule.to));
  if (rule.emit != Emit::nothing) text += fmt::format(", emits {}", to_text(rule.emit));
  if (rule.act != Act::nothing) text += fmt::format(", does {}", to_text(rule.act));
  return text;
}

}  // namespace skysock
