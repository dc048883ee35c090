//! How a process ended that is not our child: Linux 6.15 and later tell whoever holds its pidfd.
#![allow(unsafe_code)]

use std::os::fd::AsFd;

use rustix::ioctl::{Updater, ioctl, opcode};

use crate::service::Exit;

/// `struct pidfd_info` of linux/pidfd.h as of 6.13 (PIDFD_INFO_SIZE_VER0, 64 bytes).
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup_id: u64,
    ids: [u32; 11],
    exit_code: i32,
}

/// PIDFD_INFO_EXIT: the exit code is wanted, or was given. Given once the process has been reaped.
const EXIT: u64 = 1 << 3;
/// PIDFD_GET_INFO: `_IOWR(0xFF, 11, struct pidfd_info)`.
const GET_INFO: rustix::ioctl::Opcode = opcode::read_write::<PidfdInfo>(0xFF, 11);

/// How the process behind a pidfd ended, if the kernel can tell by now.
pub(super) fn exit(pidfd: impl AsFd) -> Option<Exit> {
    let mut info = PidfdInfo {
        mask: EXIT,
        ..PidfdInfo::default()
    };
    // SAFETY: GET_INFO takes a pointer to a pidfd_info of the size that is part of its number, and
    // writes no more than that; on a kernel without it the call fails and writes nothing.
    unsafe { ioctl(pidfd, Updater::<GET_INFO, PidfdInfo>::new(&mut info)) }.ok()?;
    // A wait status, as wait(2) gives it.
    let exit = match info.exit_code & 0x7f {
        0 => Exit::Code((info.exit_code >> 8) & 0xff),
        signal => Exit::Signal(signal),
    };
    (info.mask & EXIT != 0).then_some(exit)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use crate::process::{Handle, Identity};
    use crate::service::Exit;

    #[test]
    fn whoever_holds_it_is_told_once_it_is_reaped() {
        for (script, wanted) in [("exit 7", Exit::Code(7)), ("kill -9 $$", Exit::Signal(9))] {
            let mut child = Command::new("sh")
                .args(["-c", &format!("read _; {script}")])
                .stdin(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let identity = Identity::of(child.id().cast_signed()).unwrap().unwrap();
            let handle = Handle::open(identity).unwrap().unwrap();
            assert_eq!(handle.exit(), None, "it lives");
            child.wait().unwrap();
            // Kernels before 6.15 do not tell.
            let told = handle.exit();
            assert!(told.is_none() || told == Some(wanted), "{told:?}");
        }
    }
}
