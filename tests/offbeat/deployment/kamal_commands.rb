# Lets Kamal read the config/deploy.yml of each folder given, and prints what it would run on the hosts:
# {folder: {roles: {name: shell line}, accessories: {...}, secrets: the env file of the role web}}.
require "logger"
require "json"
require "kamal"

printed = ARGV.to_h do |folder|
  found = Dir.chdir(folder) do
    config = Kamal::Configuration.create_from(config_file: Pathname.new("config/deploy.yml"), version: "abc")
    line = ->(words) { words.flatten.compact.map(&:to_s).join(" ") }
    roles = config.roles.to_h { |role| [ role.name, line[Kamal::Commands::App.new(config, role: role, host: role.primary_host).run] ] }
    accessories = config.accessories.to_h { |each| [ each.name, line[Kamal::Commands::Accessory.new(config, name: each.name).run] ] }
    { roles: roles, accessories: accessories, secrets: config.primary_role.secrets_io(config.primary_host).read }
  end
  [ folder, found ]
end
puts JSON.generate(printed)
