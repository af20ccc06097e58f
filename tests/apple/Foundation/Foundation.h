/* Foundation.h - the part of Apple's Foundation that amphi uses; see CoreFoundation.h. Objective-C:
 * nothing is here for a C compiler. */
#pragma once

#include "tests/apple/CoreFoundation/CoreFoundation.h"
#include "tests/apple/dispatch/dispatch.h"

#ifdef __OBJC__

typedef long NSInteger;
typedef unsigned long NSUInteger;

typedef bool BOOL;
#define YES ((BOOL)1)
#define NO ((BOOL)0)
#define nil ((id)0)

@protocol NSObject
@end

__attribute__((objc_root_class))
@interface NSObject<NSObject>
+ (instancetype)alloc;
- (instancetype)init;
- (void)dealloc;
@end

typedef struct {
    unsigned long state;
    id __unsafe_unretained *itemsPtr;
    unsigned long *mutationsPtr;
    unsigned long extra[5];
} NSFastEnumerationState;

@interface NSString : NSObject
@property(readonly) const char *UTF8String;
@end

@interface NSNumber : NSObject
@property(readonly) NSInteger integerValue;
@property(readonly) double doubleValue;
@end

@interface NSArray<ObjectType> : NSObject
@property(readonly) NSUInteger count;
@property(readonly) ObjectType firstObject;
+ (instancetype)array;
- (ObjectType)objectAtIndexedSubscript:(NSUInteger)index;
- (NSUInteger)countByEnumeratingWithState:(NSFastEnumerationState *)state
                                  objects:(id __unsafe_unretained *)buffer
                                    count:(NSUInteger)count;
@end

@interface NSDictionary<KeyType, ObjectType> : NSObject
- (ObjectType)objectForKeyedSubscript:(KeyType)key;
@end

static inline CFTypeRef CFBridgingRetain(id object)
{
    return (__bridge_retained CFTypeRef)object;
}

@interface NSError : NSObject
@property(readonly) NSInteger code;
@property(readonly) NSString *localizedDescription;
@end

#endif
