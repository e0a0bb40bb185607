#pragma once

#include <array>
#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/prng.hpp"

namespace skysock::fuzz {

/// One line of a program: what StreamWorld does for a letter, with its arguments. Every argument is
/// a byte that picks among what there is at that moment, so that a program stays one whatever is
/// taken out of it.
struct SimOperation {
  /// Most have room in place: millions of programs are made.
  using Arguments = boost::container::small_vector<std::uint8_t, 16>;

  char letter = 'q';
  Arguments arguments;  ///< As many as the operation has; of raw bytes, those.

  bool operator==(const SimOperation&) const = default;
};

/// A whole life of a server on the simulated kernel: API calls, raw packets, peers, faults, time.
/// The same thing as an input of control_stream_fuzzer, to be read and written by people:
///
///     world 0 0 0 0 0
///     listen service=0
///     poll
///     raw 53 06 00 00 00 01 00 00
struct SimProgram {
  static constexpr std::size_t kWorldBytes = 5;
  /// StreamWorld carries out so many, whatever comes behind them.
  static constexpr std::size_t kOperationsMax = 400;

  std::array<std::uint8_t, kWorldBytes> world{};  ///< WorldOptions::read() says what they choose.
  std::vector<SimOperation> operations;

  bool operator==(const SimProgram&) const = default;
};

/// The input that StreamWorld reads.
std::vector<std::uint8_t> bytes_of(const SimProgram& program);
/// What StreamWorld makes of any input.
SimProgram program_of(std::span<const std::uint8_t> bytes);

std::string text_of(const SimProgram& program);
/// Reads what text_of() writes; empty lines and what follows '#' do not count. Error: a sentence
/// with the number of the line and what was expected there.
std::expected<SimProgram, std::string> parse_program(std::string_view text);

/// A program that mostly makes sense, from `random` alone: 16 operations and more on average.
SimProgram random_program(Prng& random);

/// The letters of all operations, in the order in which a byte that is none picks from them.
std::string operation_letters();

/// The operation as a line of a program, without a newline; `bytes` has its arguments and maybe
/// more. Requires: there is one of that letter.
std::string operation_text(char letter, std::span<const std::uint8_t> bytes);

/// What the numbers of the line 'world' choose, what arguments pick from, and what sizes are.
std::string program_help();

/// Every operation's name with its arguments, one line each.
std::string operations_help();

/// Every place where a thread may stop, one line each.
std::string yield_points_help();

}  // namespace skysock::fuzz
