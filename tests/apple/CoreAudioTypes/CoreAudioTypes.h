/* CoreAudioTypes.h - the part of Apple's CoreAudioTypes that amphi uses; see CoreFoundation.h. */
#pragma once

#include "tests/apple/CoreFoundation/CoreFoundation.h"

typedef struct {
    uint32_t mNumberChannels;
    uint32_t mDataByteSize;
    void *mData;
} AudioBuffer;

typedef struct {
    uint32_t mNumberBuffers;
    AudioBuffer mBuffers[1]; /* as many as said */
} AudioBufferList;

typedef struct {
    Float64 mSampleRate;
    uint32_t mFormatID, mFormatFlags;
    uint32_t mBytesPerPacket, mFramesPerPacket, mBytesPerFrame;
    uint32_t mChannelsPerFrame, mBitsPerChannel, mReserved;
} AudioStreamBasicDescription;

enum {
    kAudioFormatLinearPCM = 'l' << 24 | 'p' << 16 | 'c' << 8 | 'm',
    kAudioFormatFlagIsFloat = 1 << 0,
    kAudioFormatFlagIsNonInterleaved = 1 << 5,
};
