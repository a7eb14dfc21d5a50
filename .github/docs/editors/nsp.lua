--[[
nsp for darktable: denoise the selected images and put the results beside them.

Copy this file into darktable's lua folder (~/.config/darktable/lua on Linux and macOS,
%LocalAppData%\darktable\lua on Windows) and add the line  require "nsp"  to luarc there.
A button "nsp denoise" then appears among the actions on selected images of the lighttable.

It exports a 16-bit TIFF, which holds darktable's edits, runs `nsp denoise` on it, imports the
result beside the original and groups the two. The original is only read.
]]

local darktable = require "darktable"

local MODULE = "nsp"
local is_windows = darktable.configuration.running_os == "windows"
local separator = is_windows and "\\" or "/"

darktable.preferences.register(
  MODULE, "program", "string", "nsp: program",
  "nsp's command, with its folder if darktable does not find it", "nsp")
darktable.preferences.register(
  MODULE, "strength", "float", "nsp: strength",
  "0 keeps the pixels, 1 goes by the measured noise, 2 is smoothest", 1.0, 0.0, 2.0, 0.1)

-- Quotes an argument for the shell: a file's name may hold anything.
local function quoted(text)
  if is_windows then
    return '"' .. text .. '"' -- which a file's name cannot hold there
  end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function exists(path)
  local file = io.open(path, "rb")
  if file then
    file:close()
  end
  return file ~= nil
end

-- Returns a name beside the original that no file has.
local function free_name(image)
  local stem = image.path .. separator .. image.filename:gsub("%.[^.]*$", "") .. "_denoised"
  local path, number = stem .. ".tif", 2
  while exists(path) do
    path, number = stem .. "_" .. number .. ".tif", number + 1
  end
  return path
end

local function command(exported, result)
  -- Lua would write a decimal comma in some languages.
  local strength = string.format("%.2f", darktable.preferences.read(MODULE, "strength", "float"))
  strength = strength:gsub(",", ".")
  local words = {
    quoted(darktable.preferences.read(MODULE, "program", "string")),
    "--quiet", "denoise", quoted(exported), "-o", quoted(result), "--strength", strength,
  }
  local line = table.concat(words, " ")
  -- cmd.exe takes away the outermost quotes of a line that begins with one.
  return is_windows and '"' .. line .. '"' or line
end

-- Exports, denoises and imports one image; returns whether it went well.
local function denoise(image)
  local format = darktable.new_format("tiff")
  format.bpp = 16
  local exported = darktable.configuration.tmp_dir .. separator .. "nsp_" .. image.id .. ".tif"
  local result = free_name(image)
  format:write_image(image, exported, false)
  darktable.control.execute(command(exported, result))
  os.remove(exported)
  if not exists(result) then
    return false
  end
  local imported = darktable.database.import(result)
  imported:group_with(image)
  return true
end

local function denoise_selected(_, images)
  local job = darktable.gui.create_job("nsp denoise", true)
  local failed = {}
  for index, image in ipairs(images) do
    if not denoise(image) then
      table.insert(failed, image.filename)
    end
    job.percent = index / #images
  end
  job.valid = false
  if #failed > 0 then
    darktable.print("nsp could not denoise " .. table.concat(failed, ", ") .. "; try nsp doctor in a terminal")
  end
end

darktable.gui.libs.image.register_action(
  MODULE, "nsp denoise", denoise_selected, "denoise the selected images with nsp, as 16-bit TIFF")
