#pragma once

#include <lua.hpp>

#include "core/service/message.hpp"

namespace skysock::lua {

/// Loader of `skynet.netpack`: cuts what sockets received into frames, each a big-endian length of
/// 2 bytes (or 4) and so many bytes. Frames and packed data are light userdata, memory of malloc()
/// which who gets it passes on (redirect, socket.write) or frees (tostring, skynet.trash).
///
///   - filter(queue | nil[, msg, size]) -> queue, then what the socket message being handled says:
///     nothing (no frame is whole), "data" fd, msg, size (one frame and no byte more), "more" (pop
///     gives them), "open" fd, address, "close" fd, "error" fd, text, "warning" fd, KB, "init" id,
///     address, port. CLOSE and ERROR drop what came of a frame. Requires: `L` belongs to a
///     Service.
///   - pop(queue) -> fd, msg, size in order of arrival, or nothing; fd, nil, text for a stream that
///     announced a frame above the limit (only a queue of new() has one that can be exceeded).
///   - pack(data[, size[, header]]) -> msg, size: `data` (string, or userdata of `size` bytes) as a
///     frame. Raises when the header cannot say its length.
///   - tostring(msg, size) -> string; frees msg.
///   - clear(queue): frees all that is in it.
///   - new([header[, limit]]) -> queue for filter: header of 2 (default) or 4 bytes, frames of at
///     most `limit` bytes (default 65535, or 16 MiB - 1). Ours.
/// Source: lua-netpack.c.
int open_netpack(lua_State* L);

/// netpack.filter for a message that the caller has: the queue or nil is at index 1.
int filter_socket_message(lua_State* L, const SocketMessage& message);

}  // namespace skysock::lua
