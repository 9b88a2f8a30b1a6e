// A machine whose user database does not know this process's user: Node's own calls fail there as these do.
const os = require('node:os')

const unknown = () => {
  throw new Error('A system error occurred: uv_os_get_passwd returned ENOENT (no such file or directory)')
}
const homedir = os.homedir
os.userInfo = unknown
os.homedir = () => (process.env.HOME === undefined ? unknown() : homedir())
require('node:module').syncBuiltinESMExports()
