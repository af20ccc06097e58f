# embed.cmake - writes the pages into a C file, so that the program is one file.
#   cmake -DOUT=assets_data.c -DFILES=a;b -P embed.cmake
# Each becomes a row of `assets` (assets.h): name, content type, and its bytes as they are and packed by gzip,
# each with an ETag made of the content. What is of no use to a browser is left out: lines that are comments,
# and indentation. (So no script may have a string of several lines; tests/web/unit/pages.test.js looks.)
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

# <file> without what no browser needs, into `slim` beside OUT
function(slim_down file extension slim)
  file(READ ${file} text)
  if(extension MATCHES "^(js|css|html)$")
    string(PREPEND text "\n")
    string(REGEX REPLACE "\n[ \t]*/[*]([^*]|[*]+[^*/])*[*]+/[ \t]*\n" "\n\n" text "${text}")
    string(REGEX REPLACE "\n[ \t]*//[^\n]*" "\n" text "${text}")
    string(REGEX REPLACE "\n[ \t\n]+" "\n" text "${text}")
    string(SUBSTRING "${text}" 1 -1 text)
    file(WRITE ${slim} "${text}")
  else()
    file(COPY_FILE ${file} ${slim})
  endif()
endfunction()

# the bytes of a file as the inside of an array, and their number
function(bytes_of file bytes size)
  file(READ ${file} hex HEX)
  string(LENGTH "${hex}" n)
  math(EXPR n "${n} / 2")
  # the time in the head of what gzip writes (RFC 1952 2.3.1) would make each build another one
  if(file MATCHES "[.]gz$")
    string(SUBSTRING "${hex}" 0 8 head)
    string(SUBSTRING "${hex}" 16 -1 rest)
    set(hex "${head}00000000${rest}")
  endif()
  string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
  set(${bytes} "${hex}" PARENT_SCOPE)
  set(${size} ${n} PARENT_SCOPE)
endfunction()

set(text "#include \"signaling/assets.h\"\n\n")
set(rows "")
set(n 0)
set(slim "${OUT}.slim")
set(packed "${OUT}.slim.gz")
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
  slim_down(${file} ${extension} ${slim})
  file(SHA256 ${slim} hash)
  string(SUBSTRING ${hash} 0 32 hash)
  bytes_of(${slim} bytes size)
  if(size EQUAL 0)
    message(FATAL_ERROR "${name} is empty")
  endif()
  string(APPEND text "static const unsigned char data_${n}[] = {\n${bytes}\n};\n")
  set(row "{\"\\\"${hash}\\\"\", data_${n}, sizeof(data_${n})}, ")
  file(ARCHIVE_CREATE OUTPUT ${packed} PATHS ${slim} FORMAT raw COMPRESSION GZip COMPRESSION_LEVEL 9)
  bytes_of(${packed} bytes packed_size)
  if(packed_size LESS size)
    string(APPEND text "static const unsigned char gzip_${n}[] = {\n${bytes}\n};\n")
    string(APPEND row "{\"\\\"${hash}-gzip\\\"\", gzip_${n}, sizeof(gzip_${n})}")
  else()
    string(APPEND row "{NULL, NULL, 0}")
  endif()
  string(APPEND rows "    {\"${name}\", \"${type}\", ${row}},\n")
  math(EXPR n "${n} + 1")
endforeach()
string(APPEND text "const struct asset assets[] = {\n${rows}};\nconst unsigned assets_count = ${n};\n")
file(WRITE ${OUT} "${text}")
file(REMOVE ${slim} ${packed})
