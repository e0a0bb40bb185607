#pragma once

#include <cstdint>

// The bytes of packed values: one value after another, each a tag byte and what the tag says.
// Numbers are little-endian; WIDTH(t) is 1, 2, 4 or 8 bytes for t = first, first + 1, ...
//
//   0x00        nil
//   0x01 0x02   false, true
//   0x03        float: 8 bytes, IEEE 754
//   0x04        light userdata: 8 bytes
//   0x08-0x0b   integer: WIDTH bytes, signed
//   0x0c-0x0f   string: WIDTH bytes of length, then that many bytes
//   0x10-0x13   table: WIDTH bytes of count, then as 0xc0
//   0x40-0x7f   integer 0 to 63
//   0x80-0xbf   string of 0 to 63 bytes, which follow
//   0xc0-0xff   table: the values of t[1] to t[count] (0 to 63), pairs of key and value, nil
//
// All other tags are errors. So every value of the array takes at least one byte, and a table one
// more for its end: a count larger than the bytes that are left is a lie.

namespace skysock::lua::seri {

enum Tag : std::uint8_t {
  kNil = 0x00,
  kFalse = 0x01,
  kTrue = 0x02,
  kFloat = 0x03,
  kLightUserdata = 0x04,
  kInteger = 0x08,
  kString = 0x0c,
  kTable = 0x10,
  kSmallInteger = 0x40,
  kSmallString = 0x80,
  kSmallTable = 0xc0,
};

inline constexpr unsigned kWidths = 4;       ///< Tags of each kind that has a WIDTH.
inline constexpr unsigned kSmallMax = 0x3f;  ///< What fits into a small tag.

}  // namespace skysock::lua::seri
