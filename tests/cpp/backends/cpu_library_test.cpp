#include "backends/cpu_library.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "support/error.h"

using namespace braze;

namespace {

std::string error_of_opening(const std::string& path) {
  try {
    open_cpu_library(path, nullptr);
  } catch (const Error& error) {
    CHECK(error.kind() == Error::Kind::User);
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("cpu library: what is missing is a clear error") {
  CHECK_THAT(error_of_opening("/nowhere/libbraze_llvm.so"), Catch::Contains("/nowhere/libbraze_llvm.so"));
  CHECK_THAT(error_of_opening("/nowhere/libbraze_llvm.so"), Catch::Contains("reinstall braze"));
  const std::string damaged =
      (std::filesystem::temp_directory_path() / ("braze_damaged_" + std::to_string(getpid()) + ".so")).string();
  std::ofstream(damaged) << "\x7f"
                            "ELF and no more";
  CHECK_THAT(error_of_opening(damaged), Catch::Contains("cannot open its code generator"));
  std::filesystem::remove(damaged);
  CHECK_THAT(error_of_opening("libm.so.6"), Catch::Contains("does not export braze_llvm_target"));
}

TEST_CASE("cpu library: the folder comes from whoever imported us") {
  CHECK_THROWS_WITH(cpu_backend(), Catch::Contains("import braze"));
  set_cpu_library_folder("/nowhere");
  CHECK_THROWS_WITH(cpu_backend(), Catch::Contains("/nowhere/libbraze_llvm.so"));
  set_cpu_library_folder("");
}
