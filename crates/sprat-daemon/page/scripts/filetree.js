// The files of a torrent as a tree of folders, of which some are wanted. Pure.

/**
 * @template {{ index: number, path: string, size: number }} F
 * @typedef {{ name: string, file: F | null, children: Node<F>[], size: number, files: F[] }} Node
 */

/**
 * @template {{ index: number, path: string, size: number }} F
 * @param {F[]} files
 * @returns {Node<F>} The root, without a name. Folders come before files, each in order of names.
 */
export function tree(files) {
  /** @type {Node<F>} */
  const root = folder('');
  /** @type {Map<string, Node<F>>} */
  const folders = new Map([['', root]]);
  for (const file of files) {
    const words = file.path.split('/').filter(Boolean);
    const name = words.pop() ?? file.path;
    let at = root;
    let path = '';
    enter(at, file);
    for (const word of words) {
      path += `/${word}`;
      let next = folders.get(path);
      if (!next) {
        next = folder(word);
        folders.set(path, next);
        at.children.push(next);
      }
      at = next;
      enter(at, file);
    }
    at.children.push({ name, file, children: [], size: file.size, files: [file] });
  }
  const compare = new Intl.Collator('en', { numeric: true }).compare;
  for (const one of folders.values()) {
    one.children.sort((a, b) => Number(a.file !== null) - Number(b.file !== null) || compare(a.name, b.name));
  }
  return root;
}

/**
 * @param {string} name
 * @returns {Node<any>}
 */
function folder(name) {
  return { name, file: null, children: [], size: 0, files: [] };
}

/**
 * @param {Node<any>} node
 * @param {{ size: number }} file
 */
function enter(node, file) {
  node.size += file.size;
  node.files.push(file);
}

/**
 * Whether all, none or some of a node's files are wanted.
 * @param {Node<any>} node
 * @param {(index: number) => boolean} isWanted
 * @returns {'all' | 'none' | 'some'}
 */
export function wanted(node, isWanted) {
  const some = node.files.some((file) => isWanted(file.index));
  if (!some) return 'none';
  return node.files.every((file) => isWanted(file.index)) ? 'all' : 'some';
}

const VIDEO = ['mp4', 'm4v', 'mkv', 'webm', 'ogv', 'mov', 'avi', 'ts', 'm2ts', 'mpg', 'mpeg', 'vob', 'wmv'];
const AUDIO = ['mp3', 'm4a', 'm4b', 'ogg', 'oga', 'opus', 'flac', 'wav', 'aac'];

/**
 * Whether a file can be watched or listened to.
 * @param {string} path
 * @returns {'video' | 'audio' | null}
 */
export function medium(path) {
  const ending = path.slice(path.lastIndexOf('.') + 1).toLowerCase();
  return VIDEO.includes(ending) ? 'video' : AUDIO.includes(ending) ? 'audio' : null;
}
