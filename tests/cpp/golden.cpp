#include "golden.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace braze {

void check_golden(const std::string& name, const std::function<std::string(const std::string&)>& transform) {
  const std::string path = std::string(BRAZE_GOLDEN_DIR) + "/" + name + ".txt", separator = "\n---\n";
  std::ifstream file(path);
  INFO("golden file " << path);
  REQUIRE(file.good());
  std::stringstream stream;
  stream << file.rdbuf();
  const std::string text = stream.str();
  size_t cut = text.find(separator);
  const std::string input = text.substr(0, cut == std::string::npos ? cut : cut + 1);
  const std::string expected = cut == std::string::npos ? "" : text.substr(cut + separator.size());
  const std::string actual = transform(input);
  const char* update = std::getenv("BRAZE_UPDATE_GOLDEN");
  if (update && *update == '1') {
    std::ofstream(path) << input << separator.substr(1) << actual;
    return;
  }
  CHECK(actual == expected);
}

}  // namespace braze
