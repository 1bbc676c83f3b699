// The one error type: a user's mistake or a bug of ours. A refusal to compile is a value, never an Error.
#pragma once

#include <stdexcept>
#include <string>

namespace braze {

class Error : public std::runtime_error {
 public:
  enum class Kind { User, Internal };

  Error(Kind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

/// Raises a User error unless `condition` holds. The message says what was called, what came, what is accepted.
inline void check_user(bool condition, const std::string& message) {
  if (!condition) throw Error(Error::Kind::User, message);
}

/// Raises an Internal error unless `condition` holds.
inline void check_internal(bool condition, const char* message) {
  if (!condition) throw Error(Error::Kind::Internal, message);
}
inline void check_internal(bool condition, const std::string& message) { check_internal(condition, message.c_str()); }

}  // namespace braze
