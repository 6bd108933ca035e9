// Package archive takes backups of data directories and restores them. docs/format/backup.md specifies every byte of a backup, and the order in which
// they are written.
//
//	store, err := archive.OpenDirectory("/mnt/backup")           // or archive.OpenBucket
//	b, err := archive.NewBackup(store, ".everloop", archive.Options{})
//	result, err := b.Pass(ctx)                                   // once, or
//	err = b.Follow(ctx, time.Second)                             // until ctx is done
//	...
//	report, err := archive.Restore(ctx, archive.FromBackup(store), "restored", archive.RestoreOptions{At: yesterday})
//	report, err := archive.Verify(ctx, store, nil)
//
// A data directory is read from outside, while a process has it open or not: nothing here takes its lock, asks that process anything, or changes a
// file of it. The package knows files, batches and snapshots, not what records say.
//
// A [Backup] belongs to one goroutine. A [Store] is safe for concurrent use.
package archive
