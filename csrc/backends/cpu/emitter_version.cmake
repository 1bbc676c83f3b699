# Writes OUT, which defines BRAZE_EMITTER_VERSION as a hash of SOURCES: code cached by an emitter that wrote other code is never used.
set(all "")
foreach(source ${SOURCES})
  file(SHA256 ${source} hash)
  string(APPEND all ${hash})
endforeach()
string(SHA256 version "${all}")
string(SUBSTRING ${version} 0 16 version)
file(WRITE ${OUT} "// Made by emitter_version.cmake.\n#define BRAZE_EMITTER_VERSION \"${version}\"\n")
