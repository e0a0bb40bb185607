#include "fuzz/sim_program.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/base/check.hpp"
#include "core/sys/yield_point.hpp"
#include "fuzz/sim_form.hpp"

namespace skysock::fuzz {
namespace {

constexpr std::array kForms = {
    Form{'r', "raw", {}, 1},
    Form{'p', "raw_packet", {"type", "id", "requester", "argument", "cut"}, 3},
    Form{'L', "listen", {"service"}, 3},
    Form{'O', "open", {"service", "where"}, 5},
    Form{'S', "start", {"service", "id"}, 9},
    Form{'D', "send", {"id", "size"}, 12},
    Form{'P', "send_low", {"id", "size"}, 5},
    Form{'K', "close", {"service", "id", "flags"}, 8},
    Form{'X', "exit", {}, 1},
    Form{'y', "service_dies", {"service"}, 1},
    Form{'d', "dial", {"listener"}, 6},
    Form{'t', "peer_send", {"peer", "size"}, 10},
    Form{'g', "peer_read", {"peer", "size"}, 6},
    Form{'f', "peer_shutdown", {"peer"}, 4},
    Form{'e', "peer_close", {"peer"}, 3},
    Form{'z', "peer_reset", {"peer"}, 3},
    Form{'m', "remote_answer", {"remote", "answer"}, 2},
    Form{'b', "fault", {"call", "error", "after"}, 5},
    Form{'i', "limit_send", {"bytes"}, 4},
    Form{'u', "fd_limit", {"left"}, 2},
    Form{'h', "advance", {"tenths"}, 4},
    Form{'q', "poll", {}, 22},
    Form{'Q', "poll_until_idle", {}, 3},
    Form{'H', "hold", {"service", "id"}, 5},
    Form{'v', "hand_over", {"service", "id"}, 3},
    Form{'V', "give_back", {"service", "id", "bytes"}, 3},
    Form{'w', "hand_over_done", {"service", "id"}, 3},
    Form{'T', "set_option", {"id", "option", "value"}, 4},
    Form{'B', "bind", {"service", "kind"}, 3},
    Form{'l', "pipe_end", {"which", "closes", "size"}, 3},
    Form{'U', "udp", {"service", "kind"}, 3},
    Form{'N', "udp_dial", {"service", "destination"}, 2},
    Form{'C', "udp_connect", {"id", "destination"}, 2},
    Form{'A', "send_to", {"id", "destination", "size"}, 3},
    Form{'a', "udp_peer_send", {"peer", "endpoint", "size"}, 3},
    Form{'R', "resolver", {"does"}, 2},
    Form{'G', "owner_gone", {"service"}, 2},
    Form{'n', "netstat", {}, 2},
    Form{'W', "send_much", {"id"}, 1},
    Form{'k', "wake", {}, 1},
    Form{'s', "post_send", {"id", "size"}, 2},
    Form{'j', "shut_listener", {"listener"}, 1},
    Form{'x', "habit", {"service", "does", "victim"}, 3},
    Form{kBegin, "begin", {"thread", "points"}, 0},
    Form{kResume, "resume", {"thread", "points"}, 0},
};

// ---- Reading text

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (line = trimmed(line); !line.empty();) {
    const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
    words.push_back(line.substr(0, end));
    line = trimmed(line.substr(end));
  }
  return words;
}

std::optional<std::uint8_t> byte_of(std::string_view text, int base) {
  std::uint8_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

using Parsed = std::expected<std::vector<std::uint8_t>, std::string>;

Parsed bytes_from(std::span<const std::string_view> words, int base, std::string_view expected) {
  std::vector<std::uint8_t> bytes;
  for (const std::string_view word : words) {
    const auto byte = byte_of(word, base);
    if (!byte) return std::unexpected(fmt::format("'{}': expected {}", word, expected));
    bytes.push_back(*byte);
  }
  return bytes;
}

Parsed arguments_from(const Form& form, std::span<const std::string_view> words) {
  std::vector<std::uint8_t> values;
  for (std::size_t at = 0; at < form.count(); ++at) {
    const std::string_view name = form.arguments[at];
    const std::string_view word = at < words.size() ? words[at] : std::string_view();
    const bool named = word.starts_with(name) && word.substr(name.size()).starts_with('=');
    const auto value = named ? byte_of(word.substr(name.size() + 1), 10) : std::nullopt;
    if (!value) {
      return std::unexpected(fmt::format("'{}': expected '{}=N' with N from 0 to 255", word, name));
    }
    values.push_back(*value);
  }
  if (words.size() > form.count()) {
    return std::unexpected(fmt::format("'{}': expected the end of the line", words[form.count()]));
  }
  return values;
}

// ---- From bytes, and to text

std::uint8_t take_byte(std::span<const std::uint8_t>& bytes) {
  if (bytes.empty()) return 0;
  const std::uint8_t byte = bytes.front();
  bytes = bytes.subspan(1);
  return byte;
}

/// Its arguments, as StreamWorld reads them.
SimOperation take_operation(const Form& form, std::span<const std::uint8_t>& bytes) {
  SimOperation operation{.letter = form.letter};
  std::size_t count = form.count();
  if (form.letter == kRaw) {
    count = take_byte(bytes) % (kArgumentBytesMax + 1);
    count = std::min(count, bytes.size());
  }
  while (operation.arguments.size() < count) operation.arguments.push_back(take_byte(bytes));
  return operation;
}

std::string text_of(const SimOperation& operation) {
  const Form& form = form_of(operation.letter);
  std::string text(form.name);
  if (operation.letter == kRaw) {
    for (const std::uint8_t byte : operation.arguments) text += fmt::format(" {:02x}", byte);
  }
  for (std::size_t at = 0; at < form.count(); ++at) {
    text += fmt::format(" {}={}", form.arguments[at], operation.arguments[at]);
  }
  return text;
}

}  // namespace

std::span<const Form> forms() { return kForms; }

const Form& form_of(char letter) {
  const auto found = std::ranges::find(kForms, letter, &Form::letter);
  SKYSOCK_CHECK(found != kForms.end());
  return *found;
}

std::vector<std::uint8_t> bytes_of(const SimProgram& program) {
  std::vector<std::uint8_t> bytes;
  std::size_t count = program.world.size();
  for (const SimOperation& operation : program.operations) count += 2 + operation.arguments.size();
  bytes.reserve(count);
  bytes.assign(program.world.begin(), program.world.end());
  for (const SimOperation& operation : program.operations) {
    bytes.push_back(static_cast<std::uint8_t>(operation.letter));
    if (operation.letter == kRaw) {
      bytes.push_back(static_cast<std::uint8_t>(operation.arguments.size()));
    }
    bytes.insert(bytes.end(), operation.arguments.begin(), operation.arguments.end());
  }
  return bytes;
}

SimProgram program_of(std::span<const std::uint8_t> bytes) {
  SimProgram program;
  for (std::uint8_t& choice : program.world) choice = take_byte(bytes);
  while (!bytes.empty()) {
    const std::uint8_t letter = take_byte(bytes);
    const auto named = std::ranges::find(kForms, static_cast<char>(letter), &Form::letter);
    const Form& form = named != kForms.end() ? *named : kForms[letter % kForms.size()];
    program.operations.push_back(take_operation(form, bytes));
  }
  return program;
}

std::string operation_text(char letter, std::span<const std::uint8_t> bytes) {
  return text_of(take_operation(form_of(letter), bytes));
}

std::string text_of(const SimProgram& program) {
  std::string text = fmt::format("world {}\n", fmt::join(program.world, " "));
  for (const SimOperation& operation : program.operations) text += text_of(operation) + '\n';
  return text;
}

std::expected<SimProgram, std::string> parse_program(std::string_view text) {
  SimProgram program;
  bool has_world = false;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::vector<std::string_view> words = words_of(line.substr(0, line.find('#')));
    if (words.empty()) continue;
    const auto failed = [&](std::string_view what) {
      return std::unexpected(fmt::format("line {}: {}", number, what));
    };
    const auto rest = std::span(words).subspan(1);
    if (!has_world) {
      const auto bytes = bytes_from(rest, 10, "a number from 0 to 255");
      if (words[0] != "world" || !bytes || bytes->size() != SimProgram::kWorldBytes) {
        return failed("expected 'world' and 5 numbers from 0 to 255");
      }
      std::ranges::copy(*bytes, program.world.begin());
      has_world = true;
      continue;
    }
    if (program.operations.size() == SimProgram::kOperationsMax) {
      return failed(fmt::format("expected at most {} operations", SimProgram::kOperationsMax));
    }
    const auto form = std::ranges::find(kForms, words[0], &Form::name);
    if (form == kForms.end()) return failed(fmt::format("no operation '{}'", words[0]));
    auto arguments = form->letter == kRaw ? bytes_from(rest, 16, "a byte of two hex digits")
                                          : arguments_from(*form, rest);
    if (!arguments) return failed(arguments.error());
    if (arguments->size() > kArgumentBytesMax) return failed("expected at most 63 bytes");
    program.operations.push_back(
        {.letter = form->letter, .arguments = {arguments->begin(), arguments->end()}});
  }
  if (!has_world) return std::unexpected("expected a line 'world' with 5 numbers from 0 to 255");
  return program;
}

std::string operation_letters() {
  std::string letters;
  for (const Form& form : kForms) letters += form.letter;
  return letters;
}

std::string program_help() {
  return R"(A program is text: a line 'world A B C D E' with numbers from 0 to 255, then a line for
each operation. '#' starts a comment. World 0 0 0 0 0 is a plain one; bits of a number change it:
  A  tuning: 1, 2 fewer slots; 4 two events a wait; 8 one accept a time; 16 small reads;
     32 one read an event; 64 little lingering; 128 none
  B  1 connects succeed at once; 2 the server goes at the end without a close of anything;
     4 a pipe carries commands; 8 epoll is edge-triggered; 16 no direct writes; 32 commands only
     between batches; 64 an abortive close is a RST; 128 services answer what they hear
  C  1, 2 the kernel's send buffer and 4, 8 its receive window have few bytes; 16, 32 a low limit of
     output; 64 beyond it the connection is aborted; 128 no TCP_NODELAY, no keepalive
  D  time limits, two bits each: 1, 2 idle; 4, 8 connect; 16, 32 accept; 64, 128 drain
  E  1 larger first reads; 2 few bytes an event; 4 small SO_SNDBUF; 8 small SO_RCVBUF; 16 backlog 1

Every argument is a number from 0 to 255 that picks among what there is, modulo how many there are:
  id=N       the socket whose id was the Nth that the server handed out, from 0, gone or not: a
             listener of the first line is id=0, what it accepts first is id=1; a trace prints the
             id itself. 255: an id that was never handed out
  service=N  one of 4 services; requester=N, too, or with 255 nobody
  peer=N     one of those there are, by age; so do listener=N, remote=N and which=N
  size=N     N + 1 bytes; send_to and udp_peer_send: N bytes
  bytes=N    N bytes; limit_send: what the next send takes at most
  does=N     of habit, where services answer: 1 the service aborts victim=N (an id=N) when it hears
             DATA, and echoes nothing; 2 it connects to a host that never answers when it hears
             CLOSE
  tenths=N   N tenths of a second; after=N: how many such calls still succeed, modulo 8
  thread=N   one of 3 threads of services; of resume, one of 4: the last is the reactor's
  points=N   the thread passes N yield points and stops at the next one
Any other argument picks from a list in fuzz/stream_world_services.cpp or _peers.cpp. An operation
that finds nothing to do does nothing.

'begin' takes the next call of the server to that thread (a poll to the reactor's), where it stops
in the middle; the operations behind it are what others do meanwhile; 'resume' lets it go on. A
thread that waits for a lock lets the others go on by a point each. At the end of the program all of
them finish.
)";
}

std::string yield_points_help() {
  std::string text;
  for (const skysock::YieldPointName& point : skysock::kYieldPoints) {
    text += fmt::format("  {:17} {}\n", point.name, point.where);
  }
  return text;
}

std::string operations_help() {
  std::string text;
  for (const Form& form : kForms) {
    text += fmt::format("  {}", form.name);
    if (form.letter == kRaw) text += " BYTES in hex";
    for (std::size_t at = 0; at < form.count(); ++at) {
      text += fmt::format(" {}=N", form.arguments[at]);
    }
    text += '\n';
  }
  return text;
}

}  // namespace skysock::fuzz
