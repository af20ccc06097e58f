# embed.cmake - writes the pages into a C file, so that the program is one file.
#   cmake -DOUT=assets_data.c -DFILES=a;b -P embed.cmake
# Each becomes a row of `assets` (assets.h): name, content type, ETag from the content, bytes.
# "|" stands for ";", which would split the list
set(types
  html "text/html| charset=utf-8"
  css "text/css| charset=utf-8"
  js "text/javascript| charset=utf-8"
  svg "image/svg+xml"
  png "image/png"
  ico "image/x-icon"
  woff2 "font/woff2"
  webmanifest "application/manifest+json")

set(text "#include \"signaling/assets.h\"\n\n")
set(rows "")
set(n 0)
foreach(file ${FILES})
  get_filename_component(name ${file} NAME)
  string(REGEX REPLACE ".*\\." "" extension ${name})
  list(FIND types ${extension} at)
  if(at EQUAL -1)
    message(FATAL_ERROR "${name}: no content type is known for .${extension}")
  endif()
  math(EXPR at "${at} + 1")
  list(GET types ${at} type)
  string(REPLACE "|" ";" type "${type}")
  file(SHA256 ${file} hash)
  string(SUBSTRING ${hash} 0 32 hash)
  file(READ ${file} hex HEX)
  string(LENGTH "${hex}" size)
  math(EXPR size "${size} / 2")
  if(size EQUAL 0)
    message(FATAL_ERROR "${name} is empty")
  endif()
  string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
  string(APPEND text "static const unsigned char data_${n}[] = {\n${hex}\n};\n")
  string(APPEND rows
    "    {\"${name}\", \"${type}\", \"\\\"${hash}\\\"\", data_${n}, sizeof(data_${n})},\n")
  math(EXPR n "${n} + 1")
endforeach()
string(APPEND text "const struct asset assets[] = {\n${rows}};\nconst unsigned assets_count = ${n};\n")
file(WRITE ${OUT} "${text}")
